package pcsctest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// These files are in Debian's packages pcscd and vsmartcard-vpcd.
const (
	program = "/usr/sbin/pcscd"
	driver  = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
)

// Missing returns the name of a required Debian package that is not installed, or "" if all are installed.
func Missing() string {
	for file, name := range map[string]string{program: "pcscd", driver: "vsmartcard-vpcd"} {
		if _, err := os.Stat(file); err != nil {
			return name + " is not installed: apt install pcscd vsmartcard-vpcd"
		}
	}
	return ""
}

// Apart makes a command run in its own namespaces, with a separate loopback network, and with mounts and processes that
// other programs do not see. Namespaces are necessary because the virtual reader listens on all network addresses,
// and because pcscd's socket has one fixed path per computer. When the command ends, all processes that it started
// end too.
func Apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
}

// Settle runs inside the namespaces of Apart and prepares an empty /run and a loopback interface.
func Settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("separate the mounts: %w", err)
	}
	if err := unix.Mount("none", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount an empty /run: %w", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}

// Pcscd is Debian's pcscd with one virtual reader.
type Pcscd struct {
	*exec.Cmd
}

// StartPcscd runs pcscd with a reader whose name begins with name. StartPcscd writes pcscd's configuration and log
// into the folder dir.
func StartPcscd(dir, name string) (*Pcscd, error) {
	conf := filepath.Join(dir, "reader.conf.d")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("FRIENDLYNAME %q\nDEVICENAME /dev/null:0x8C7B\nLIBPATH %s\nCHANNELID 0x8C7B\n", name, driver)
	if err := os.WriteFile(filepath.Join(conf, "vpcd"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "pcscd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := []string{"--foreground", "--config", conf}
	if help, _ := exec.Command(program, "--help").CombinedOutput(); strings.Contains(string(help), "--disable-polkit") {
		args = append(args, "--disable-polkit") // pcscd must run without D-Bus, which the namespace does not have
	}
	os.Remove("/run/pcscd/pcscd.comm") // remove the socket that a killed pcscd left
	os.Remove("/run/pcscd/pcscd.pid")
	p := &Pcscd{exec.Command(program, args...)}
	p.Stdout, p.Stderr = log, log
	return p, p.Start()
}

// End kills pcscd.
func (p *Pcscd) End() {
	p.Process.Kill()
	p.Wait()
}

// Insert puts a card into the reader; the returned function removes the card. In vpcd's protocol, each message begins
// with its length in two bytes, most significant byte first. A message of one byte is for the reader (0: power off,
// 1: power on, 2: reset, 4: request for the ATR). Every other message is a command for the card.
func (p *Pcscd) Insert(ctx context.Context, c Card) (remove func(), err error) {
	var conn net.Conn
	for conn == nil { // after a card is removed, the virtual reader needs a moment until it accepts the next connection
		if conn, err = new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:35963"); err != nil {
			select {
			case <-ctx.Done():
				return nil, errors.Join(ctx.Err(), err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			command, err := receive(conn)
			if err != nil {
				return
			}
			switch {
			case len(command) == 1 && command[0] == 4:
				// ATR of an ISO/IEC 14443-4 card without historical bytes (PC/SC part 3, 3.1.3.2.3)
				err = send(conn, []byte{0x3B, 0x80, 0x80, 0x01, 0x01})
			case len(command) > 1:
				a, cerr := c(command)
				if cerr != nil { // the card was removed
					conn.Close()
					return
				}
				err = send(conn, a)
			}
			if err != nil {
				return
			}
		}
	}()
	return func() { conn.Close(); <-done; waitUntilEmpty(ctx) }, nil
}

// waitUntilEmpty waits until pcscd has detected that the first reader is empty. pcscd polls the reader every 400 ms;
// pcscd would treat a card inserted before its next poll as a card that cannot be powered.
func waitUntilEmpty(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := net.Dial("unix", "/run/pcscd/pcscd.comm")
		if err != nil {
			return
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		table := make([]byte, 16*184)
		conn.Write([]byte{0, 0, 0, 0, Readers, 0, 0, 0})
		_, err = io.ReadFull(conn, table)
		conn.Close()
		if err != nil || get(table, 132)&4 == 0 { // SCARD_PRESENT
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func receive(r io.Reader) ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

func send(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}
