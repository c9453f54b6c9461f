//go:build !unix

package journal

import "os"

// lock excludes no other process on systems other than Linux, which run only tests and tools.
func lock(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }
