package pcsc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"portillon/rfid"
	"portillon/rfid/pcsc/pcsctest"
)

const acr = "ACS ACR122U PICC Interface 00 00"

// newServer returns a simulated pcscd with two readers. These are the names of two readers; the second reader is an
// ACR122U.
func newServer() *pcsctest.Server {
	s := &pcsctest.Server{}
	s.Set(func(r *[]*pcsctest.Reader, _ *pcsctest.Faults) {
		*r = []*pcsctest.Reader{{Name: "Generic Contact Reader 00 00"}, {Name: acr}}
	})
	return s
}

// openThroughPipe opens the ACR122U of a simulated pcscd through a pipe, in the fake time of synctest.
func openThroughPipe(t *testing.T, s *pcsctest.Server) (*Device, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	served := make(chan struct{})
	go func() { s.Serve(theirs); close(served) }()
	t.Cleanup(func() { ours.Close(); <-served })
	c, err := greet(ours, time.Now().Add(openTime))
	if err != nil {
		ours.Close()
		return nil, err
	}
	d, err := newDevice(c, "ACS")
	if err != nil {
		ours.Close()
		return nil, err
	}
	t.Cleanup(func() { d.Close() })
	return d, nil
}

func started(t *testing.T, s *pcsctest.Server) *Device {
	t.Helper()
	d, err := openThroughPipe(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// setFaults sets the faults that the server simulates from now on.
func setFaults(s *pcsctest.Server, f pcsctest.Faults) {
	s.Set(func(_ *[]*pcsctest.Reader, faults *pcsctest.Faults) { *faults = f })
}

func bubble(t *testing.T, f func(*testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestMalformedNumbersAreRefused(t *testing.T) {
	for in, want := range map[string]string{
		"\x04\x11\x22\x33\x44\x55\x66\x90\x00": "04112233445566", "\xDE\xAD\xBE\xEF\x90\x00": "DEADBEEF",
		"\x04\x11\x22\x33\x44\x55\x66\x77\x88\x99\x90\x00": "04112233445566778899",
		"\x08\x11\x22\x33\x90\x00":                         "08112233", // the number is random, so Poll reports no card
		"\x08\x11\x22\x33\x44\x55\x66\x90\x00":             "08112233445566",
		"\x6A\x81":                                         "", "": "", "\x90": "",
		"\xDE\xAD\xBE\xEF\x63\x00": "", "\xDE\xAD\xBE\x90\x00": "", "\xDE\xAD\xBE\xEF\x90\x01": "",
	} {
		if u, ok := parseNumber([]byte(in)); ok != (want != "") || u.Hex() != want {
			t.Errorf("% X: %s, %v", in, u.Hex(), ok)
		}
	}
}

func TestCardIsFoundWhileItIsPresent(t *testing.T) {
	for _, minor := range []uint32{4, 5} {
		bubble(t, func(t *testing.T) {
			s := newServer()
			s.Speak(minor)
			d := started(t, s)
			wantNumber(t, d, "")
			s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF"))
			wantNumber(t, d, "DEADBEEF")
			wantNumber(t, d, "DEADBEEF")
			if n := s.Said(pcsctest.Connect); n != 1 {
				t.Errorf("%d connections to one card", n)
			}
			// Between two polls, the card is replaced by another card.
			s.Insert(acr, pcsctest.Numbered("\x04\x11\x22\x33\x44\x55\x66"))
			wantNumber(t, d, "04112233445566")
			s.Insert(acr, pcsctest.Numbered("\x08\x11\x22\x33")) // a telephone's random number (ISO 14443-3, 6.4.4)
			wantNumber(t, d, "")
			if !d.SawRandom() {
				t.Error("a random number is not recognised")
			}
			s.Insert(acr, nil)
			wantNumber(t, d, "")
			if d.SawRandom() {
				t.Error("no card is a random number")
			}
			if s.Open() != 0 {
				t.Error("a card that left is still connected")
			}
		})
	}
}

// wantNumber polls once and checks the number.
func wantNumber(t *testing.T, d *Device, want string) {
	t.Helper()
	u, found, err := d.Poll(t.Context())
	if err != nil || found != (want != "") || u.Hex() != want {
		t.Errorf("found %q, %v, %v; want %q", u.Hex(), found, err, want)
	}
}

func TestReaderIsChosenByTheBeginningOfItsName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for prefix, want := range map[string]string{
			"": "Generic Contact Reader 00 00", "ACS": acr, acr: acr, "Omnikey": "", "122U": "",
		} {
			ours, theirs := net.Pipe()
			go newServer().Serve(theirs)
			c, err := greet(ours, time.Now().Add(openTime))
			if err != nil {
				t.Fatal(err)
			}
			d, err := newDevice(c, prefix)
			if want == "" && !errors.Is(err, ErrNoReader) || want != "" && (err != nil || d.name != want) {
				t.Errorf("%q: %+v, %v", prefix, d, err)
			}
			ours.Close()
		}
	})
}

func TestBuzzerOfAnACR122UIsSwitchedOffOnce(t *testing.T) {
	for name, want := range map[string]int{acr: 1, "ACS ACR1252 1S CL Reader PICC 00 00": 0} {
		bubble(t, func(t *testing.T) {
			s, quieted := &pcsctest.Server{}, 0
			s.Set(func(r *[]*pcsctest.Reader, _ *pcsctest.Faults) {
				*r = []*pcsctest.Reader{{Name: name, Card: func(b []byte) ([]byte, error) {
					if bytes.Equal(b, quiet) {
						quieted++
					}
					return pcsctest.Numbered("\xDE\xAD\xBE\xEF")(b)
				}}}
			})
			d := started(t, s)
			wantNumber(t, d, "DEADBEEF")
			s.Set(func(r *[]*pcsctest.Reader, _ *pcsctest.Faults) { (*r)[0].Events++ })
			wantNumber(t, d, "DEADBEEF")
			if quieted != want {
				t.Errorf("%s was told %d times to be quiet, want %d", name, quieted, want)
			}
		})
	}
}

func TestReaderNotYetPolledByPcscdHasNoCard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF"))
		s.Set(func(r *[]*pcsctest.Reader, _ *pcsctest.Faults) { (*r)[1].NotYet = true })
		wantNumber(t, started(t, s), "")
	})
}

func TestCardThatCannotBePoweredIsIgnored(t *testing.T) {
	for _, code := range []uint32{
		0x8010000C, 0x8010000F, 0x80100013, 0x80100016, 0x80100066, 0x80100067, 0x80100068, 0x80100069,
	} {
		bubble(t, func(t *testing.T) {
			s := newServer()
			s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF"))
			s.Set(func(r *[]*pcsctest.Reader, _ *pcsctest.Faults) { (*r)[1].Code = code })
			wantNumber(t, started(t, s), "")
		})
	}
}

// If pcscd hangs while a card is present, for any duration, the reader must report only one tap or fail. When a
// reader is opened again, it must not report the present card as a tap.
func TestHangingPcscdCausesNoSecondTap(t *testing.T) {
	if testing.Short() {
		t.Skip("short: waits for a daemon that hangs")
	}
	for delay := 50 * time.Millisecond; delay < 3*time.Second; delay += 50 * time.Millisecond {
		for at := time.Duration(0); at < 100*time.Millisecond; at += 25 * time.Millisecond {
			bubble(t, func(t *testing.T) {
				s := newServer()
				r := rfid.Polling{Chip: started(t, s)}.Reader()
				s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF"))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if _, err := r.Read(ctx); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(300*time.Millisecond+at, func() { setFaults(s, pcsctest.Faults{Delay: delay}) })
				time.AfterFunc(301*time.Millisecond+at+delay, func() { setFaults(s, pcsctest.Faults{}) })
				if tap, err := r.Read(ctx); err == nil {
					t.Errorf("%v at %v: %+v is a second tap", delay, at, tap)
				}
			})
		}
	}
}

// If a poll timed out and its answer comes later, this answer must be discarded, so that the next poll reports the
// present state.
func TestLateAnswerIsNotUsedForTheNextPoll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		d := started(t, s)
		s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF"))
		setFaults(s, pcsctest.Faults{Delay: lookTime + 50*time.Millisecond, Only: pcsctest.Readers})
		wantNumber(t, d, "") // timed out
		s.Insert(acr, nil)
		setFaults(s, pcsctest.Faults{})
		wantNumber(t, d, "")
		s.Insert(acr, pcsctest.Numbered("\x04\x11\x22\x33\x44\x55\x66"))
		wantNumber(t, d, "04112233445566")
	})
}

func TestResetCardIsConnectedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, reset := newServer(), true
		s.Insert(acr, func(b []byte) ([]byte, error) {
			if reset {
				return nil, io.EOF
			}
			return pcsctest.Numbered("\xDE\xAD\xBE\xEF")(b)
		})
		d := started(t, s)
		wantNumber(t, d, "")
		if s.Open() != 0 {
			t.Error("the connection to the card that was reset is kept")
		}
		reset = false
		wantNumber(t, d, "DEADBEEF")
	})
}

func TestSingleTimeoutIsTolerated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		d := started(t, s)
		for range 3 {
			setFaults(s, pcsctest.Faults{Delay: lookTime + 50*time.Millisecond})
			wantNumber(t, d, "")
			setFaults(s, pcsctest.Faults{})
			wantNumber(t, d, "")
		}
	})
}

func TestExchangeReturnsTheCardsAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var say func([]byte) ([]byte, error)
		s := newServer()
		d := started(t, s)
		if _, err := d.Exchange(t.Context(), []byte{0x90}); !errors.Is(err, errNoCard) {
			t.Error(err)
		}
		s.Insert(acr, func(b []byte) ([]byte, error) {
			if b[0] == 0xFF {
				return pcsctest.Numbered("\x04\x11\x22\x33\x44\x55\x66")(b)
			}
			return say(b)
		})
		wantNumber(t, d, "04112233445566")
		long := slices.Concat([]byte{0x90, 0x71, 0, 0, 255}, bytes.Repeat([]byte{7}, 255), []byte{0})
		for _, n := range []int{0, 1, 30, 256} {
			say = func([]byte) ([]byte, error) { return append(bytes.Repeat([]byte{5}, n), 0x91, 0), nil }
			if b, err := d.Exchange(t.Context(), long); err != nil || len(b) != n+2 {
				t.Errorf("%d bytes and a status: %d, %v", n, len(b), err)
			}
		}
		for _, bad := range [][]byte{nil, {0xFF, 0, 0}, make([]byte, 262)} {
			if _, err := d.Exchange(t.Context(), bad); err == nil {
				t.Errorf("a command of %d bytes is sent", len(bad))
			}
		}
		for _, n := range []int{0, 1} {
			say = func([]byte) ([]byte, error) { return make([]byte, n), nil }
			if _, err := d.Exchange(t.Context(), []byte{0x90}); !errors.Is(err, errAnswer) {
				t.Errorf("an answer of %d bytes: %v", n, err)
			}
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Exchange(over, []byte{0x90}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		say = func([]byte) ([]byte, error) { return nil, io.EOF } // the card leaves the reader during a command
		if _, err := d.Exchange(t.Context(), []byte{0x90}); err == nil || s.Open() != 0 {
			t.Error(err, s.Open())
		}
		s.Insert(acr, nil)
		wantNumber(t, d, "")
	})
}

// If a card is removed during a computation, pcscd may hang for longer than an exchange may last. After this, the
// reader must still be usable.
func TestTimedOutExchangeLeavesTheReaderUsable(t *testing.T) {
	for delay, lives := range map[time.Duration]bool{
		600 * time.Millisecond: true, 700 * time.Millisecond: true, 2 * time.Second: false,
	} {
		bubble(t, func(t *testing.T) {
			s := newServer()
			s.Insert(acr, pcsctest.Numbered("\x04\x11\x22\x33\x44\x55\x66"))
			d := started(t, s)
			setFaults(s, pcsctest.Faults{Delay: delay, Only: pcsctest.Transmit})
			began := time.Now()
			_, err := d.Exchange(t.Context(), []byte{0x90})
			if took := time.Since(began); err == nil || took != rfid.MaxPoll {
				t.Errorf("%v after %v", err, took)
			}
			setFaults(s, pcsctest.Faults{})
			_, _, err = d.Poll(t.Context())
			if (err == nil) != lives {
				t.Errorf("after %v: %v", delay, err)
			}
		})
	}
}

func TestCloseEndsAHangingPoll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer()
		d := started(t, s)
		setFaults(s, pcsctest.Faults{Silent: true})
		time.AfterFunc(50*time.Millisecond, func() { d.Close() })
		began := time.Now()
		if _, found, err := d.Poll(t.Context()); found || err == nil || time.Since(began) > 60*time.Millisecond {
			t.Errorf("%v, %v after %v", found, err, time.Since(began))
		}
		if _, _, err := d.Poll(t.Context()); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if _, err := d.Exchange(t.Context(), []byte{0x90}); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error("twice: ", err)
		}
		synctest.Wait()
		if len(d.turn) != 1 {
			t.Error("Close did not wait for the look")
		}
	})
}

func TestMissingSocketIsErrNoService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pcscd.comm")
	if _, err := openAt(path, ""); !errors.Is(err, ErrNoService) {
		t.Error(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.Serve(c)
		}
	}()
	setFaults(s, pcsctest.Faults{Refuse: true})
	if _, err := readersAt(path); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	setFaults(s, pcsctest.Faults{})
	list, err := readersAt(path)
	if want := []string{"Generic Contact Reader 00 00", acr}; err != nil || !slices.Equal(list, want) {
		t.Errorf("%q, %v", list, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := readersAt(path); !errors.Is(err, ErrNoService) { // a crashed pcscd leaves the file of its socket
		t.Error(err)
	}
}
