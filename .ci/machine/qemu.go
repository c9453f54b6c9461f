package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"portillon/.ci/machine/nbd"
	"portillon/wire"
)

// boot contains what the agent has reported during one boot of the machine.
type boot struct {
	id      string        // the kernel's boot id
	edges   []edge        // edges of the relay's line, the oldest first
	records []wire.Record // records of the journal, as the agent last sent them
	acked   string        // last acknowledgement: number of acknowledged records, and tree hash of these records
	acks    int           // number of acknowledgements
	failed  bool          // true: at least one row has failed
	cut     bool          // true: the host has cut the power
	log     []string      // lines of the console that are not from the agent
}

// edge is a change of the level of the relay's line.
type edge struct {
	at   time.Duration // time since boot
	high bool          // the new level
}

// machine is an emulated computer that can boot many times with the same disk.
type machine struct {
	t      *test      // the run
	name   string     // name of the files of the disk and of its socket
	disk   *nbd.Disk  // the disk, whose content remains between boots
	chance *rand.Rand // source of random choices: when to cut the power, and which writes are lost

	atStake, lost int // over all power cuts: number of unflushed sectors, and number of lost sectors
}

// boot starts the computer. It cuts the power when the agent reports done or cut; if writes is positive, it cuts the
// power after that number of disk writes since the machine was ready.
func (m *machine) boot(ctx context.Context, initrd, words string, writes int, most time.Duration) (*boot, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	socket := m.t.path(m.name + ".sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- m.disk.Serve(l) }()
	b, err := m.t.follow(ctx, watch{power: func(off func()) {
		if writes > 0 {
			m.disk.Trip(writes, off)
		}
	}}, "-M", "virt", "-cpu", "cortex-a53", "-m", "2048", "-initrd", initrd,
		"-drive", "driver=nbd,server.type=unix,server.path="+socket+",if=none,id=data", "-device",
		"virtio-blk-pci,drive=data",
		"-append", "console=ttyAMA0 quiet loglevel=0 panic=-1 audit=0 trace_clock=mono trace_buf_size=4M "+
			"trace_event=gpio:gpio_value,gpio:gpio_direction "+words)
	l.Close()
	<-served // waits until the server has performed the last writes
	atStake, lost := m.disk.Cut(m.chance)
	m.atStake, m.lost = m.atStake+atStake, m.lost+lost
	return b, err
}

// instructionClock contains QEMU's flags for the clock of the machine: each instruction takes 4 ns, which is 250
// million instructions per second. A measured time then depends on how many instructions the machine executes, and
// not on the load of the host. The machine has only one core, because QEMU would run several cores in turns of 100
// ms.
var instructionClock = []string{"-icount", "shift=2,sleep=on", "-rtc", "clock=vm"}

// watch contains functions that the host calls when certain messages of the agent arrive.
type watch struct {
	power func(off func())        // called when the power may be cut; the argument off is a function that cuts the power
	look  func(name string) error // called when the agent waits for the host to read the registers
}

// follow runs QEMU, reads its console, and stores what the agent reports. At its end, follow always kills QEMU, which
// cuts the power of the machine.
func (t *test) follow(ctx context.Context, w watch, args ...string) (*boot, error) {
	runtime.LockOSThread() // stay on this thread, because the kernel sends Pdeathsig to QEMU when the thread ends
	defer runtime.UnlockOSThread()
	args = append(args, instructionClock...)
	cmd := exec.Command("qemu-system-aarch64",
		append(args, "-kernel", t.cache+"/vmlinuz", "-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	b := &boot{}
	struck := make(chan bool, 1)
	err = b.readConsole(t, out, watch{power: func(func()) { w.power(func() { cmd.Process.Kill(); struck <- true }) },
		look: func(name string) error {
			defer io.WriteString(in, "\n")
			return w.look(name)
		}})
	cmd.Process.Kill()
	io.Copy(io.Discard, out)
	cmd.Wait()
	if len(struck) > 0 {
		b.cut = true
		return b, nil
	}
	if err != nil {
		return b, fmt.Errorf("%w; the console's last lines:\n%s", errors.Join(err, ctx.Err()),
			strings.Join(b.log[max(0, len(b.log)-40):], "\n"))
	}
	return b, nil
}

// readConsole reads the console until the agent reports done or cut, or until the console ends.
func (b *boot) readConsole(t *test, console io.Reader, w watch) error {
	s := bufio.NewScanner(console)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if t.loud {
			fmt.Printf("%6.1f %s\n", time.Since(t.start).Seconds(), s.Text())
		}
		// Each line of the agent begins with "rig: "; all other lines come from the kernel or from systemd.
		said, ours := strings.CutPrefix(strings.TrimRight(s.Text(), "\r"), "rig: ")
		if !ours {
			b.log = append(b.log, s.Text())
			continue
		}
		word, rest, _ := strings.Cut(said, " ")
		name, more, _ := strings.Cut(rest, ": ")
		switch word {
		case "boot":
			b.id = rest
		case "edge":
			ns, level, _ := strings.Cut(rest, " ")
			at, err := strconv.ParseInt(ns, 10, 64)
			if err != nil {
				return err
			}
			b.edges = append(b.edges, edge{time.Duration(at), level == "true"})
		case "record":
			var r wire.Record
			if err := json.Unmarshal([]byte(rest), &r); err != nil {
				return err
			}
			b.records = append(b.records, r)
		case "ack":
			b.acked = rest
			b.acks++
		case "PASS":
			t.pass(name, more)
		case "command", "said":
			fmt.Printf("    %s\n", rest)
		case "SKIP":
			fmt.Printf("--- SKIP: %s: %s\n", name, more)
		case "FAIL":
			b.failed = true
			t.fail(name, errors.New(more))
		case "ready":
			w.power(nil)
		case "look":
			if err := w.look(rest); err != nil {
				t.fail(rest, err)
			}
		case "cut":
			b.cut = true
			return nil
		case "done":
			return nil
		}
	}
	return cmp.Or(s.Err(), io.ErrUnexpectedEOF)
}
