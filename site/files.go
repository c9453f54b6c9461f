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

// These are the limits of the folders badges/ and status/. A folder exceeds the limits only by mistake, for example
// if someone copied a home folder into badges/.
const (
	maxFile  = openbadge.MaxListBytes // largest file in bytes: the size of the largest status list
	maxDepth = 4
	maxFiles = 100_000
)

// placesEnding is the suffix of the file in which «badge issue» records the index of each badge in a status list.
const placesEnding = ".places"

// folder is the content of a folder: the files that were read, and the reasons why others were skipped.
type folder struct {
	files   []File
	skipped []string
}

// readFolder reads a folder and its subfolders in the order of names. readFolder skips unreadable files, large files
// and files with other suffixes, so that one bad file does not stop the site. If the folder does not exist,
// readFolder returns an empty folder.
func readFolder(dir, sub string, endings ...string) (folder, error) {
	var out folder
	root, err := folderRoot(filepath.Join(dir, sub))
	if root == "" || err != nil {
		return folder{}, err
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
		case d.IsDir() && isHiddenOrDeep(rel, d.Name()):
			skip("folders that are hidden, or deeper than %d, are not read", maxDepth)
			return fs.SkipDir
		case d.IsDir():
			return nil
		case len(out.files) >= maxFiles:
			return fmt.Errorf("%s contains more than %d files", root, maxFiles)
		}
		if strings.HasSuffix(d.Name(), placesEnding) { // skip the file that «badge issue» writes next to a status list
			return nil
		}
		why := skipReason(d.Name(), endings)
		var b []byte
		if why == "" {
			b, why = readSmall(path)
		}
		if why != "" {
			skip("%s", why)
			return nil
		}
		out.files = append(out.files, File{Name: name, Data: b})
		return nil
	})
	return out, err
}

// folderRoot resolves a path that may be a symbolic link, because WalkDir does not follow a symbolic link at its root.
// The result is empty if the path does not exist.
func folderRoot(path string) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if fi, err := os.Stat(root); err != nil || !fi.IsDir() {
		return "", errors.Join(fmt.Errorf("%s is not a folder", path), err)
	}
	return root, nil
}

// isHiddenOrDeep reports whether readFolder must skip a folder. The parameter rel is the folder's path below the
// root.
func isHiddenOrDeep(rel, name string) bool {
	return rel != "." && strings.HasPrefix(name, ".") || strings.Count(filepath.ToSlash(rel), "/") >= maxDepth
}

// skipReason returns why readFolder must skip a file with this name; empty: the file is read.
func skipReason(name string, endings []string) string {
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

// readSmall reads a file of at most maxFile bytes. If readSmall cannot read the file, why is the reason.
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
