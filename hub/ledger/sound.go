package ledger

import (
	"database/sql"
	"errors"
	"os"

	"portillon/dberror"
)

// soundMost is how long a file may be whose pages are all read at a start: 20 machines write some 360 MB in a year
// (daemon/journal), and a start must not take minutes.
const soundMost = 512 << 20

// sound looks for pages that do not fit together, so that a damaged ledger is said at the start and not by each batch
// that it cannot take.
func sound(path string, db *sql.DB) error {
	if fi, err := os.Stat(path); err != nil || fi.Size() > soundMost {
		return nil // what is damaged is said when it is read
	}
	var said string
	if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return &dberror.Error{Path: path, Kind: dberror.Damaged, Cure: cureDamage(path), Err: errors.New(said)}
	}
	return nil
}

// moveFolders moves away a folder that lies where SQLite has its log, or the log's index: it holds no page. In the
// place of the ledger itself a folder is refused.
func moveFolders(path string) error {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return &dberror.Error{Path: path, Kind: dberror.Damaged, Cure: cureDamage(path), Err: errors.New("a folder is in its place")}
	}
	for _, x := range []string{path + "-wal", path + "-shm"} {
		if fi, err := os.Lstat(x); err == nil && fi.IsDir() {
			if err := os.Rename(x, x+".folder"); err != nil {
				return err
			}
		}
	}
	return nil
}
