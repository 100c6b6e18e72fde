package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

var (
	// codeBlock is a fenced block: what looks like a link there is none.
	codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan  = regexp.MustCompile("`[^`\n]*`")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	// ourPath is a file of the tree that a text names. What has a slash before it
	// is elsewhere, such as in /etc.
	ourPath = regexp.MustCompile(`(?:^|[^\w/.-])((?:docs|packaging|test)/[\w./-]*\w)`)
	// notSlug is what the name of a heading leaves out.
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// documents returns the README and all that is in docs, by path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	read := func(path string) error {
		b, err := os.ReadFile(filepath.Join(root, path))
		all[path] = string(b)
		return err
	}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		path, err = filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return read(path)
	})
	if err == nil {
		err = read("README.md")
	}
	if err != nil || len(all) < 10 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	return all
}

// Every link from one document to another leads to a file that is there, and to a
// heading that is in it.
func TestLinksOfDocumentsLeadSomewhere(t *testing.T) {
	links := 0
	all := documents(t)
	for path, text := range all {
		text = codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link to %s: %v", path, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(all[target]), anchor) {
				t.Errorf("%s: the link to %s: %s has no such heading", path, m[1], target)
			}
		}
	}
	if links < 10 {
		t.Errorf("only %d links looked at", links)
	}
}

// anchors are the names that the headings of a document have in links.
func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		slug := notSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(slug, " ", "-"))
	}
	return all
}

// Every file or folder of the tree that a document names is there.
func TestFilesThatDocumentsNameAreThere(t *testing.T) {
	named := 0
	for path, text := range documents(t) {
		for _, m := range ourPath.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s: %v", path, m[1], err)
			}
			named++
		}
	}
	if named < 30 {
		t.Errorf("only %d names looked at", named)
	}
}

// The index leads to every document.
func TestIndexHasEveryDocument(t *testing.T) {
	all := documents(t)
	const index = "docs/README.md"
	for path := range all {
		if path == index {
			continue
		}
		target, err := filepath.Rel(filepath.Dir(index), path)
		if err != nil || !strings.Contains(all[index], "]("+target+")") {
			t.Errorf("%s has no link to %s (%v)", index, path, err)
		}
	}
}
