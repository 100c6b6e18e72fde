# bash completion of sitebridge: the program itself tells what may follow.
_sitebridge() {
	local word current=${COMP_WORDS[COMP_CWORD]}
	COMPREPLY=()
	while IFS=$'\t' read -r word _; do
		case $word in
		:files | :directories)
			local kind=-f path
			[ "$word" = :files ] || kind=-d
			while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$kind" -- "$current")
			compopt -o filenames 2>/dev/null
			;;
		*) COMPREPLY+=("$word") ;;
		esac
	done < <("${COMP_WORDS[0]}" completion words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _sitebridge sitebridge
