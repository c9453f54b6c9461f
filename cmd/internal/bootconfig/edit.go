package bootconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
)

// maxIncludes is the maximum depth of nested includes in config.txt. The firmware ignores includes beyond this depth.
const maxIncludes = 5

// Change is the old and the new text of one file that the plan changes.
type Change struct {
	Path string `json:"path"` // path relative to the root
	Copy string `json:"copy"` // path of the backup copy; empty until Write has made the copy
	Diff string `json:"diff"` // unified diff

	old, new string
}

// Plan contains the changes of a Pi's boot files that one machine needs.
type Plan struct {
	Board     Board
	Path      string // path of config.txt
	Changes   []Change
	Conflicts []string
}

// Edit compares the boot files under root with the requirements of the machine and returns the necessary changes. Edit
// writes no files; call Plan.Write to write them.
//
// On Raspberry Pi OS since Bookworm the files are in /boot/firmware, in earlier releases in /boot. The argument root
// may also be a boot partition that is mounted from a card reader. If the files under root do not identify the board,
// the plan contains the lines for every board.
func Edit(root *os.Root, m Machine) (Plan, error) {
	p := Plan{Board: ReadBoard(root.FS())}
	config, err := "", error(nil)
	for _, p.Path = range [...]string{"boot/firmware/config.txt", "boot/config.txt", "config.txt"} {
		if config, err = readRegular(root, p.Path, maxConfig); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Plan{}, fmt.Errorf("no boot/firmware/config.txt, boot/config.txt or config.txt under %s: "+
			"want the root of a Raspberry Pi OS or its boot partition", root.Name())
	} else if err != nil {
		return Plan{}, err
	}
	if p.Path == "boot/config.txt" && isMovedNote(root, config) {
		return Plan{}, errors.New("/boot/config.txt is not the file that the firmware reads: that is " +
			"/boot/firmware/config.txt, and it is not there: mount the boot partition at /boot/firmware (sudo mount -a)")
	}
	expand := func(text string) string { out, _ := Expand(root.FS(), p.Path, text); return out }
	if _, errs := Expand(root.FS(), p.Path, config); len(errs) > 0 {
		return Plan{}, errors.Join(errs...)
	}
	cmdPath, cmdline := "", ""
	if m.Serial {
		if cmdPath, err = cmdlineOf(p.Path, expand(config), p.Board); err != nil {
			return Plan{}, err
		}
		if cmdline, err = readRegular(root, cmdPath, maxCmdline); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Plan{}, err
		}
	}
	done, err := apply(config, cmdline, m, p.Board, expand)
	if err != nil {
		return Plan{}, err
	}
	p.Conflicts = done.Conflicts
	p.add(p.Path, config, done.Config)
	p.add(cmdPath, cmdline, done.Cmdline)
	return p, nil
}

// isMovedNote reports whether boot/config.txt is only a note that the file has moved to boot/firmware, as in Raspberry
// Pi OS since Bookworm. If the boot partition is not mounted at boot/firmware, this note is the only file with the name
// config.txt.
func isMovedNote(root *os.Root, config string) bool {
	dir, err := root.Lstat("boot/firmware")
	return err == nil && dir.IsDir() || strings.Contains(config, "moved to /boot/firmware/config.txt")
}

func (p *Plan) add(name, old, new string) {
	if old != new {
		d := diff.Diff("/"+name, []byte(old), "/"+name+" (new)", []byte(new))
		p.Changes = append(p.Changes, Change{Path: "/" + name, Diff: string(d), old: old, new: new})
	}
}

// cmdlineOf returns the path of the file with the kernel's command line: the file that config.txt names, or
// cmdline.txt.
func cmdlineOf(config, text string, b Board) (string, error) {
	name := "cmdline.txt"
	for _, s := range Settings(text, b) {
		key, value, _ := strings.Cut(s.Text, "=")
		switch {
		case key == "cmdline" && !s.Maybe && value != "" && value == path.Base(value):
			name = value
		case key == "cmdline", key == "os_prefix" && value != "":
			return "", fmt.Errorf("/%s:%d: %s: the kernel's command line is in another file: take console=serial0 out of it "+
				"by hand, "+
				"and this line out of config.txt", config, s.Line, s.Text)
		}
	}
	return path.Join(path.Dir(config), name), nil
}

// Expand returns a config.txt in which each include line is replaced by the included file (raspberrypi/documentation,
// config_txt: include). Expand leaves out a file that cannot be read, and also returns the error.
func Expand(root fs.FS, file, config string) (string, []error) {
	var errs []error
	// These limits bound the number of included files and their total size, which the limit of the depth alone does not
	// bound.
	left, room := 64, 4*maxConfig
	var walk func(text string, depth int) string
	walk = func(text string, depth int) string {
		var out strings.Builder
		for line := range strings.Lines(text) {
			name, is := strings.CutPrefix(strings.TrimSpace(line), "include ")
			if !is || depth == 0 || left == 0 {
				out.WriteString(line)
				continue
			}
			left--
			included := path.Join(path.Dir(file), strings.TrimSpace(name))
			more, err := Read(root, included, maxConfig)
			if room -= len(more); err == nil && room < 0 {
				err = fmt.Errorf("config.txt includes more than %d bytes of other files", 4*maxConfig)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("/%s, which config.txt includes, cannot be read: %w", included, err))
				continue
			}
			out.WriteString(withNewline(walk(more, depth-1)))
		}
		return out.String()
	}
	return walk(config, maxIncludes), errs
}

// readRegular reads a regular file of at most limit bytes. Links are not followed, because the firmware does not read
// the target of a link on a boot partition.
func readRegular(root *os.Root, name string, limit int64) (string, error) {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("/%s is a %s, want a regular file", name, kindOf(info.Mode()))
	case info.Size() > limit:
		return "", fmt.Errorf("/%s has %d bytes, want at most %d", name, info.Size(), limit)
	}
	return Read(root.FS(), name, limit)
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m.IsDir():
		return "directory"
	}
	return "special file"
}

// Write writes each file of the plan. For each file, Write first writes a dated copy of the old file, then a temporary
// file with the new text. Once the temporary file is synced, Write renames it. Write stops at the first error. Files
// that were already written remain changed, and a new Edit continues with the other files.
func (p *Plan) Write(root *os.Root, now time.Time) error {
	for i := range p.Changes {
		c := &p.Changes[i]
		name := strings.TrimPrefix(c.Path, "/")
		if is, err := readRegular(root, name, maxConfig); err != nil || is != c.old {
			return errors.Join(fmt.Errorf("%s has changed since the comparison, run the command again", c.Path), err)
		}
		saved, err := writeCopy(root, name+now.Format(".20060102-150405"), c.old)
		if err != nil {
			return fmt.Errorf("%[1]s is unchanged, because its backup copy cannot be written: %[2]w", c.Path, err)
		}
		c.Copy = "/" + saved
		if err := replaceFile(root, name, c.new); err != nil {
			return fmt.Errorf("%s is unchanged, because the new text cannot be written: %w", c.Path, err)
		}
	}
	return nil
}

// maxCopies is the maximum number of backup copies of one file within one second.
const maxCopies = 9

// writeCopy writes a backup copy under an unused name. The name has no colons, because the boot partition is FAT
// (Microsoft FAT specification, long directory entries).
func writeCopy(root *os.Root, name, text string) (saved string, err error) {
	saved = name + ".old"
	for n := 2; n <= maxCopies; n++ {
		if err = writeFile(root, saved, text); !errors.Is(err, fs.ErrExist) {
			break
		}
		saved = fmt.Sprintf("%s-%d.old", name, n)
	}
	return saved, err
}

// replaceFile replaces the content of a file. After a power cut, the file has either the old or the new content. The
// FAT specification does not make a rename atomic, but Linux writes the one directory sector that contains both names.
// If the power cut damages the file system, the backup copy is still complete.
func replaceFile(root *os.Root, name, text string) error {
	temporary := name + ".new"
	// Remove the temporary file that an earlier call may have left because of a power cut.
	if err := root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeFile(root, temporary, text); err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	if err := root.Rename(temporary, name); err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return syncDir(root, path.Dir(name))
}

// writeFile writes a new file and syncs it to the disk. The file's mode equals that of every file on the FAT partition
// of Raspberry Pi OS.
func writeFile(root *os.Root, name, text string) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
