package bootconfig

import (
	"fmt"
	"io"
	"io/fs"
)

// Read reads a file. A file of more than limit bytes is an error.
func Read(root fs.FS, path string, limit int64) (string, error) {
	f, err := root.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(b)) > limit {
		return "", fmt.Errorf("file %s has more than %d bytes, the limit for a file of the firmware", path, limit)
	}
	return string(b), nil
}
