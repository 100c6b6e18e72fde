#compdef sitebridge
# zsh completion of sitebridge: the program itself tells what may follow.
_sitebridge() {
	local line word about
	local -a described
	while IFS= read -r line; do
		word=${line%%$'\t'*}
		about=
		[[ $line == *$'\t'* ]] && about=${line#*$'\t'}
		case $word in
		:files) _files ;;
		:directories) _files -/ ;;
		*) described+=("${word//:/\\:}${about:+:$about}") ;;
		esac
	done < <("${words[1]}" completion words "${(@)words[2,CURRENT]}" 2>/dev/null)
	(( $#described )) && _describe sitebridge described
}
if [ "$funcstack[1]" = _sitebridge ]; then
	_sitebridge "$@"
else
	compdef _sitebridge sitebridge
fi
