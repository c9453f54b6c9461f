//go:build !unix

package journal

import "os"

// lock keeps nobody out here: a portillond runs on Linux.
func lock(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }
