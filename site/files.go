package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"portillon/openbadge"
)

// Bounds on a folder of files: a deeper or fuller one is a mistake, such as a whole home folder copied into badges/.
const (
	maxFile  = openbadge.MaxListBytes // bytes of a file of badges/ or status/: a status list may have as many
	maxDepth = 4
	maxFiles = 100_000
)

// placesEnding ends the name of the file in which badge issue remembers whose each place of a status list is.
const placesEnding = ".places"

// folder is what a folder of the site holds: each of its files is taken, or skipped with the reason.
type folder struct {
	files   []File
	skipped []string
}

// readFolder reads a folder and the folders in it, in the order of the names. One file never stops a site: what cannot
// be read, is too large or has another ending is skipped. A folder that is not there is empty.
func readFolder(dir, sub string, endings ...string) (folder, error) {
	var out folder
	root := filepath.Join(dir, sub)
	if _, err := os.Lstat(root); errors.Is(err, fs.ErrNotExist) {
		return folder{}, nil
	}
	root, err := filepath.EvalSymlinks(root) // WalkDir does not follow a link that it begins with
	if err != nil {
		return folder{}, err
	}
	if fi, err := os.Stat(root); err != nil || !fi.IsDir() {
		return folder{}, errors.Join(fmt.Errorf("%s is no folder", filepath.Join(dir, sub)), err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, rerr := filepath.Rel(root, path)
		if rerr != nil {
			return rerr
		}
		name := filepath.ToSlash(filepath.Join(sub, rel))
		skip := func(format string, a ...any) {
			out.skipped = append(out.skipped, name+": skipped: "+fmt.Sprintf(format, a...))
		}
		switch {
		case err != nil && path == root:
			return err
		case err != nil:
			skip("cannot be read: %v", err)
			return nil
		case d.IsDir() && rel != "." && strings.HasPrefix(d.Name(), "."),
			d.IsDir() && strings.Count(filepath.ToSlash(rel), "/") >= maxDepth:
			skip("folders that are hidden, or deeper than %d, are not read", maxDepth)
			return fs.SkipDir
		case d.IsDir():
			return nil
		case len(out.files) >= maxFiles:
			return fmt.Errorf("%s: more than %d files", root, maxFiles)
		}
		if strings.HasSuffix(d.Name(), placesEnding) { // the issuer's own, beside a status list
			return nil
		}
		if why := unfit(d.Name(), endings); why != "" {
			skip("%s", why)
			return nil
		}
		b, why := readSmall(path)
		if why != "" {
			skip("%s", why)
			return nil
		}
		out.files = append(out.files, File{Name: name, Data: b})
		return nil
	})
	return out, err
}

// unfit says why a file of this name is not read; empty: it is.
func unfit(name string, endings []string) string {
	lower := strings.ToLower(name)
	switch {
	case strings.HasPrefix(name, "._"):
		return "a Mac's own file beside the real one"
	case strings.HasPrefix(name, "."):
		return "a hidden file"
	case slices.Contains(endings, filepath.Ext(lower)):
		return ""
	}
	for _, e := range endings {
		if strings.Contains(lower, e+".") {
			return fmt.Sprintf("its name ends in %q; rename it so that it ends in %s", filepath.Ext(name), e)
		}
	}
	return fmt.Sprintf("its name ends in %q, want one of %s", filepath.Ext(name), strings.Join(endings, " "))
}

// readSmall reads a file of at most maxFile bytes, or says why not.
func readSmall(path string) (b []byte, why string) {
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Sprintf("cannot be read: %v", err)
	case !fi.Mode().IsRegular():
		return nil, "not a regular file"
	case fi.Size() > maxFile:
		return nil, fmt.Sprintf("%d bytes, at most %d; "+
			"a baked picture gets smaller when the picture is scaled down before it is baked", fi.Size(), maxFile)
	}
	if b, err = os.ReadFile(path); err != nil {
		return nil, fmt.Sprintf("cannot be read: %v", err)
	}
	return b, ""
}
