package pcsc

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"portillon/rfid"
	"portillon/rfid/pcsc/pcsctest"
)

func TestEachFaultOfPcscdHasItsOwnError(t *testing.T) {
	any := errors.New("any")
	for name, x := range map[string]struct {
		f pcsctest.Faults
		// true: the fault begins before the reader is opened; false: the fault begins while a card is present
		atOpen      bool
		minor       uint32
		want        error
		wantReaders func(*[]*pcsctest.Reader)
	}{
		"polkit refuses":  {f: pcsctest.Faults{Refuse: true}, atOpen: true, want: ErrRefused},
		"older version":   {minor: 3, atOpen: true, want: ErrVersion},
		"newer version":   {minor: 6, atOpen: true, want: ErrVersion},
		"silence at open": {f: pcsctest.Faults{Silent: true}, atOpen: true, want: ErrSilent},
		"garbage at open": {
			f:      pcsctest.Faults{Garbage: bytes.Repeat([]byte{0xFF}, 12)},
			atOpen: true,
			want:   ErrVersion,
		},
		"cut version": {f: pcsctest.Faults{Cut: 5}, atOpen: true, want: io.ErrUnexpectedEOF},
		"silence":     {f: pcsctest.Faults{Silent: true}, want: ErrSilent},
		"slow":        {f: pcsctest.Faults{Delay: time.Second}, want: ErrSilent},
		"table cut": {
			f:    pcsctest.Faults{Only: pcsctest.Readers, Cut: 2943},
			want: io.ErrUnexpectedEOF,
		},
		"table too short, no end": {
			f:    pcsctest.Faults{Only: pcsctest.Readers, Mangle: func(b []byte) []byte { return b[:2943] }},
			want: ErrSilent,
		},
		"table of nonsense": {
			f:    pcsctest.Faults{Only: pcsctest.Readers, Garbage: bytes.Repeat([]byte{7}, 2944)},
			want: errGarbage,
		},
		"name without an end": {
			f: pcsctest.Faults{Only: pcsctest.Readers, Mangle: func(b []byte) []byte {
				copy(b, bytes.Repeat([]byte{'A'}, 128))
				return b
			}},
			want: errGarbage,
		},
		"name with a line's end": {
			f:    pcsctest.Faults{Only: pcsctest.Readers, Mangle: overwrite(0, 0x0A534341)},
			want: errGarbage,
		},
		"absurd ATR": {
			f:    pcsctest.Faults{Only: pcsctest.Readers, Mangle: overwrite(176, 35)},
			want: errGarbage,
		},
		"absurd length": {
			f:    pcsctest.Faults{Only: pcsctest.Transmit, Mangle: overwrite(24, 1<<31)},
			want: errGarbage,
		},
		"length of one too many": {
			f:    pcsctest.Faults{Only: pcsctest.Transmit, Mangle: overwrite(24, 259)},
			want: errGarbage,
		},
		"answer of another handle": {
			f:    pcsctest.Faults{Only: pcsctest.Transmit, Mangle: overwrite(0, 9)},
			want: errGarbage,
		},
		"transmit cut": {
			f:    pcsctest.Faults{Only: pcsctest.Transmit, Cut: 34},
			want: io.ErrUnexpectedEOF,
		},
		"transmit cut at its data": {f: pcsctest.Faults{Only: pcsctest.Transmit, Cut: 32}, want: io.EOF},
		"data that never comes": {
			f:    pcsctest.Faults{Only: pcsctest.Transmit, Mangle: func(b []byte) []byte { return b[:32] }},
			want: ErrSilent,
		},
		"reader unplugged": {wantReaders: func(r *[]*pcsctest.Reader) { *r = (*r)[:1] }, want: ErrNoReader},
		"reader held": {
			wantReaders: func(r *[]*pcsctest.Reader) { (*r)[1].Sharing = true; (*r)[1].Events++ },
			want:        ErrBusy,
		},
		"card refused by polkit": {
			wantReaders: func(r *[]*pcsctest.Reader) { (*r)[1].Code = 0x8010006A; (*r)[1].Events++ },
			want:        ErrRefused,
		},
		"strange code": {
			wantReaders: func(r *[]*pcsctest.Reader) { (*r)[1].Code = 0x80100001; (*r)[1].Events++ },
			want:        any,
		},
		"connection to nothing": {
			f:           pcsctest.Faults{Only: pcsctest.Connect, Mangle: overwrite(144, 77)},
			wantReaders: func(r *[]*pcsctest.Reader) { (*r)[1].Events++ },
			want:        errGarbage,
		},
		"disconnect cut": {
			f:           pcsctest.Faults{Only: pcsctest.Disconnect, Cut: 3},
			wantReaders: func(r *[]*pcsctest.Reader) { (*r)[1].Card = nil },
			want:        io.ErrUnexpectedEOF,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newServer()
				s.Speak(x.minor)
				s.Insert(acr, pcsctest.Numbered("\xDE\xAD\xBE\xEF"))
				if x.atOpen {
					setFaults(s, x.f)
				}
				began := time.Now()
				d, err := openThroughPipe(t, s)
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("opening took %v", took)
				}
				if !x.atOpen {
					if err != nil {
						t.Fatal(err)
					}
					s.Set(func(r *[]*pcsctest.Reader, f *pcsctest.Faults) {
						*f = x.f
						if x.wantReaders != nil {
							x.wantReaders(r)
						}
					})
					err = pollUntilItFails(t, d)
				}
				if x.want == errGarbage { // after errGarbage, the next bytes may come from the middle of an answer
					setFaults(s, pcsctest.Faults{})
					if _, _, err := d.Poll(t.Context()); err == nil {
						t.Error("the connection is used again")
					}
				}
				if x.want == any && err == nil || x.want != any && !errors.Is(err, x.want) ||
					x.want != ErrRefused && errors.Is(err, ErrRefused) {
					t.Errorf("%v, want %v", err, x.want)
				}
			})
		})
	}
}

// overwrite returns a function that replaces one 32-bit field of an answer.
func overwrite(at int, v byte4) func([]byte) []byte {
	return func(b []byte) []byte {
		copy(b[at:], encodeWords(uint32(v)))
		return b
	}
}

type byte4 uint32

// pollUntilItFails polls as rfid.Polling does, until Poll fails or until the time after which a present card would be
// a new tap.
func pollUntilItFails(t *testing.T, d *Device) error {
	t.Helper()
	for began := time.Now(); ; <-time.After(100 * time.Millisecond) {
		look := time.Now()
		_, found, err := d.Poll(t.Context())
		if took := time.Since(look); took > rfid.MaxPoll {
			t.Errorf("a look took %v", took)
		}
		if err != nil {
			return err
		}
		if found {
			t.Fatal("found a card")
		}
		if time.Since(began) > rfid.Gone {
			t.Fatal("no error in time")
		}
	}
}
