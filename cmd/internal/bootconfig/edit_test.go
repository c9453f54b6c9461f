package bootconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// rootWith creates a root directory with the given files.
func rootWith(t *testing.T, files map[string]string) (dir string, root *os.Root) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return dir, root
}

func pi(dir string) map[string]string {
	return map[string]string{dir + "config.txt": stock, dir + "cmdline.txt": cmdline,
		"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\x00"}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestWriteMakesADatedBackupCopyOfEachChangedFile(t *testing.T) {
	for _, where := range []string{"boot/firmware/", "boot/", ""} {
		dir, root := rootWith(t, pi(where))
		p, err := Edit(root, laser())
		if err != nil || len(p.Changes) != 2 || p.Board.Model != "Raspberry Pi 4 Model B Rev 1.5" {
			t.Fatalf("%q: %v %+v", where, err, p)
		}
		if got := content(t, filepath.Join(dir, where, "config.txt")); got != stock {
			t.Errorf("%q: Edit alone changed config.txt to %q", where, got)
		}
		if err := p.Write(root, noon); err != nil {
			t.Fatal(err)
		}
		for name, was := range map[string]string{"config.txt": stock, "cmdline.txt": cmdline} {
			if got := content(t, filepath.Join(dir, where, name+".20261123-120000.old")); got != was {
				t.Errorf("%q: the copy of %s is %q", where, name, got)
			}
		}
		if got := content(t, filepath.Join(dir, where, "cmdline.txt")); strings.Contains(got, "serial0") {
			t.Errorf("%q: cmdline.txt is %q", where, got)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, where, "*.new")); len(left) > 0 {
			t.Errorf("%q: %q are left", where, left)
		}
		if again, err := Edit(root, laser()); err != nil || len(again.Changes) > 0 {
			t.Errorf("%q: a second time: %v %+v", where, err, again.Changes)
		}
	}
}

// Two changes within one second leave two copies. The second copy does not overwrite the first copy.
func TestBackupCopiesMadeWithinOneSecondHaveDifferentNames(t *testing.T) {
	dir, root := rootWith(t, pi("boot/firmware/"))
	saw := laser()
	saw.Name = "saw"
	saw.Lines[0].Text = "gpio=27=op,dl,pd"
	for i, m := range []Machine{laser(), saw} {
		p, err := Edit(root, m)
		if err == nil {
			err = p.Write(root, noon)
		}
		if err != nil {
			t.Fatal(err)
		}
		if all, _ := filepath.Glob(filepath.Join(dir, "boot/firmware/config.txt.20261123-120000*.old")); len(all) != i+1 {
			t.Errorf("after %d writes: %q", i+1, all)
		}
	}
}

// A power cut between the copy and the rename leaves the old file and a half-written temporary file.
func TestHalfWrittenTemporaryFileIsReplaced(t *testing.T) {
	files := pi("boot/firmware/")
	files["boot/firmware/config.txt.new"] = "half"
	dir, root := rootWith(t, files)
	p, err := Edit(root, laser())
	if err == nil {
		err = p.Write(root, noon)
	}
	if got := content(t, filepath.Join(dir, "boot/firmware/config.txt")); err != nil ||
		!strings.Contains(got, "# portillon laser: end") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestFileChangedSinceThePlanIsNotOverwritten(t *testing.T) {
	dir, root := rootWith(t, pi("boot/firmware/"))
	p, err := Edit(root, laser())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "boot/firmware/config.txt")
	os.WriteFile(path, []byte("other=1\n"), 0o644)
	if err := p.Write(root, noon); err == nil || !strings.Contains(err.Error(), "has changed since the comparison") ||
		content(t, path) != "other=1\n" {
		t.Errorf("%v: %q", err, content(t, path))
	}
}

func TestEditRejectsFilesThatTheFirmwareWouldNotRead(t *testing.T) {
	for name, x := range map[string]struct {
		harm func(dir string)
		want string
	}{
		"no boot files": {func(dir string) { os.RemoveAll(filepath.Join(dir, "boot")) },
			"no boot/firmware/config.txt"},
		"a linked config.txt": {func(dir string) { relink(dir, "config.txt") },
			"/boot/firmware/config.txt is a symbolic link"},
		"a linked cmdline.txt": {func(dir string) { relink(dir, "cmdline.txt") },
			"/boot/firmware/cmdline.txt is a symbolic link"},
		"a directory": {func(dir string) {
			os.Remove(filepath.Join(dir, "boot/firmware/config.txt"))
			os.Mkdir(filepath.Join(dir, "boot/firmware/config.txt"), 0o755)
		}, "is a directory"},
		"a huge file": {func(dir string) { os.Truncate(filepath.Join(dir, "boot/firmware/config.txt"), 1<<30) },
			"bytes, want at most"},
		"binary": {func(dir string) { os.Truncate(filepath.Join(dir, "boot/firmware/config.txt"), 1000) },
			"want a text file"},
		"a folder that leads out": {func(dir string) {
			os.Rename(filepath.Join(dir, "boot/firmware"), filepath.Join(dir, "elsewhere"))
			os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "boot/firmware"))
		}, "escapes"},
		"another cmdline.txt": {func(dir string) { extend(dir, "cmdline=/etc/x\n") },
			"config.txt:7: cmdline=/etc/x: the kernel's command line is in another file"},
		"a prefix":          {func(dir string) { extend(dir, "os_prefix=current/\n") }, "os_prefix"},
		"a missing include": {func(dir string) { extend(dir, "include none.txt\n") }, "/boot/firmware/none.txt"},
	} {
		dir, root := rootWith(t, pi("boot/firmware/"))
		x.harm(dir)
		if p, err := Edit(root, laser()); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v %+v, want %q", name, err, p.Changes, x.want)
		}
	}
}

func relink(dir, name string) {
	path := filepath.Join(dir, "boot/firmware", name)
	os.Rename(path, path+".real")
	os.Symlink(name+".real", path)
}

func extend(dir, text string) {
	path := filepath.Join(dir, "boot/firmware/config.txt")
	b, _ := os.ReadFile(path)
	os.WriteFile(path, append(b, text...), 0o644)
}

func TestEditUsesTheCommandLineFileThatConfigTxtNames(t *testing.T) {
	dir, root := rootWith(t, pi("boot/firmware/"))
	os.Rename(filepath.Join(dir, "boot/firmware/cmdline.txt"), filepath.Join(dir, "boot/firmware/other.txt"))
	extend(dir, "cmdline=other.txt\n")
	p, err := Edit(root, laser())
	if err != nil || len(p.Changes) != 2 || p.Changes[1].Path != "/boot/firmware/other.txt" {
		t.Errorf("%v %+v", err, p.Changes)
	}
}

// A setting in an included file applies as if config.txt contained it. If an included file overrides a setting of the
// block, the block repeats the setting after the include line.
func TestSettingsOfIncludedFilesApplyLikeThoseOfConfigTxt(t *testing.T) {
	files := pi("boot/firmware/")
	files["boot/firmware/config.txt"] = stock + "include ours.txt\n"
	files["boot/firmware/ours.txt"] = Fragment(laser().Lines)
	files["boot/firmware/cmdline.txt"] = "console=tty1\n"
	dir, root := rootWith(t, files)
	if p, err := Edit(root, laser()); err != nil || len(p.Changes) > 0 {
		t.Fatalf("%v %+v", err, p.Changes)
	}
	os.WriteFile(filepath.Join(dir, "boot/firmware/ours.txt"), []byte("gpio=17=op,dh"), 0o644)
	p, err := Edit(root, laser())
	if err != nil || len(p.Changes) != 1 || len(p.Conflicts) != 1 {
		t.Fatalf("%v %+v", err, p)
	}
	if err := p.Write(root, noon); err != nil {
		t.Fatal(err)
	}
	if p, err := Edit(root, laser()); err != nil || len(p.Changes) > 0 {
		t.Errorf("a second time: %v %+v", err, p.Changes)
	}
}

func TestReadingAFileThatIncludesItselfEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("short: reads a large file")
	}
	files := pi("boot/firmware/")
	files["boot/firmware/config.txt"] = strings.Repeat("include config.txt\n", 100)
	_, root := rootWith(t, files)
	if _, err := Edit(root, laser()); err != nil {
		t.Error(err)
	}
}

// Raspberry Pi OS leaves a note in /boot/config.txt. If the boot partition is not mounted, only the note exists, and
// the firmware does not read the note.
func TestEditIgnoresTheNoteThatConfigTxtHasMoved(t *testing.T) {
	const note = "DO NOT EDIT THIS FILE\n\nThe file you are looking for has moved to /boot/firmware/config.txt\n"
	_, root := rootWith(t, map[string]string{"boot/config.txt": note})
	if p, err := Edit(root, laser()); err == nil || !strings.Contains(err.Error(), "mount") {
		t.Errorf("%v %+v", err, p.Changes)
	}
}

func TestAllIncludedFilesTogetherHaveOneSizeLimit(t *testing.T) {
	files := pi("boot/firmware/")
	files["boot/firmware/config.txt"] = strings.Repeat("include more.txt\n", 5)
	files["boot/firmware/more.txt"] = strings.Repeat("# a comment\n", 5000) // 60,000 bytes
	_, root := rootWith(t, files)
	if _, err := Edit(root, laser()); err == nil || !strings.Contains(err.Error(), "includes more than 262144 bytes") {
		t.Errorf("error is %v", err)
	}
}
