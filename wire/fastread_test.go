package wire

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// recordTexts returns records that the scanner accepts, and similar texts. The scanner must refuse those texts, or
// return the same result as encoding/json.
func recordTexts(t testing.TB) (fast [][]byte, others []string) {
	t.Helper()
	wall := time.Date(2026, 11, 2, 9, 0, 0, 120e6, time.UTC)
	for _, r := range []Record{
		{Site: "biklab", Machine: "laser", Seq: 1, Boot: "b", Mono: 12, Wall: wall, Clock: ClockTrusted, Kind: Booted},
		{Site: "biklab", Machine: "laser", Seq: 999999999999999, Boot: "b", Mono: -5, Wall: wall.Truncate(time.Second),
			Clock: ClockCorrected,
			Kind:  "of-a-newer-machine", Session: "s", Member: "m-1",
			Body: json.RawMessage(`{"a":["é",true,null,{}],"b":{"c":"\"\\\n"},"d":[]}`)},
		{Site: "biklab", Machine: "laser", Seq: 3, Wall: wall, Clock: ClockUntrusted, Kind: Refused,
			Body: json.RawMessage(`null`)},
	} {
		b, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		fast = append(fast, b)
	}
	one := string(fast[0])
	for _, c := range [][2]string{
		{`"mono":12`, `"mono":12.5`}, {`"mono":12`, `"mono":1e3`}, {`"mono":12`, `"mono":-0`}, {`"mono":12`, `"mono":012`},
		{`"mono":12`, `"mono":"12"`},
		{`"mono":12`, `"mono":1234567890123456789`}, {`"mono":12`, `"mono":12,"new":1`}, {`"mono":12`, `"mono":12,"mono":12`},
		{`"mono":12,`, ``},
		{`"seq":1`, `"seq":0`}, {`"seq":1`, `"seq":-1`}, {`"seq":1`, `"seq":null`}, {`"kind":"booted"`, `"kind":""`},
		{`"kind":`, `"Kind":`},
		{`"boot":"b"`, `"boot":"\u0062"`}, {`"boot":"b"`, `"boot":"\n"`}, {`"boot":"b"`, `"boot":"` + "\x7f" + `"`},
		{`"boot":"b"`, `"boot":"` + "\xff" + `"`},
		{`"boot":"b"`, `"boot":null`}, {`"boot":"b"`, `"body":{"b":1,"a":2},"boot":"b"`},
		{`"boot":"b"`, `"body":{"é":1},"boot":"b"`},
		{`"boot":"b"`, `"body":{"a":"\u00e9"},"boot":"b"`}, {`"boot":"b"`, `"body":"\/","boot":"b"`},
		{`"boot":"b"`, `"body":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `,"boot":"b"`},
		{`"boot":"b"`, `"body":1.5,"boot":"b"`}, {`"boot":"b"`, `"body":[1,],"boot":"b"`},
		{`"boot":"b"`, `"body":tru,"boot":"b"`},
		{`.12Z`, `.120Z`}, {`.12Z`, `.1234Z`}, {`.12Z`, `+01:00`}, {`.12Z`, `+00:00`}, {`2026-11`, `2026-13`}, {`{`, ` {`},
		{`}`, `} `}, {`}`, `}}`}, {`}`, ``},
		{`"boot":"b"`, `"boot":"` + strings.Repeat("b", MaxRecord) + `"`},
	} {
		others = append(others, strings.Replace(one, c[0], c[1], 1))
	}
	return fast, others
}

func sameRecord(t *testing.T, data []byte) {
	t.Helper()
	want, err := parseRecordSlowly(data)
	if len(data) > MaxRecord {
		err = errors.New("too long")
	}
	got, ok := parseRecordFast(data)
	if ok && (err != nil || !reflect.DeepEqual(got, want)) {
		t.Fatalf("%s\nis read as %+v, want %+v, %v", data, got, want, err)
	}
}

func TestScannerAgreesWithEncodingJSONOnRecords(t *testing.T) {
	fast, others := recordTexts(t)
	for _, b := range fast {
		if _, ok := parseRecordFast(b); !ok {
			t.Errorf("%s is read the long way", b)
		}
		sameRecord(t, b)
		for i := range b { // tries every truncation
			sameRecord(t, b[:i])
		}
	}
	for _, s := range others {
		sameRecord(t, []byte(s))
	}
}

func batchTexts(t testing.TB) (out []string) {
	t.Helper()
	fast, others := recordTexts(t)
	two := strings.Replace(string(fast[0]), `"seq":1`, `"seq":2`, 1)
	batch := func(rest string, records ...string) string {
		var leaves []string
		for _, r := range records {
			leaves = append(leaves, `{"salt":"00112233445566778899aabbccddeeff","record":`+r+`}`)
		}
		return `{"records":[` + strings.Join(leaves, ",") + `],"checkpoint":` + rest + `}`
	}
	note := `"portillon/biklab/laser\n2\nAAAA\n\n— x AAAA\n"`
	good := batch(note, string(fast[0]), two)
	out = []string{
		good,
		batch(note+`,"generation":"2222222222222222"`, string(fast[0]), two),
		batch(note+`,"generation":""`, two),
		batch(note+`,"generation":"x"`, two),
		batch(
			note+`,"critical":["x"]`,
			two,
		),
		batch(note+`,"generation":"2222222222222222","generation":""`, two),
		batch(`"\u2014"`, two),
		batch(`null`, two),
		batch(`""`),
		batch(
			note,
			two,
			string(fast[0]),
		),
		batch(note, string(fast[1]), two),
		strings.Replace(good, "00112", "0011X", 1),
		strings.Replace(good, "00112", "00AA2", 1),
		strings.Replace(
			good,
			"00112",
			"001",
			1,
		),
		strings.Replace(good, `"salt"`, `"Salt"`, 1),
		good + " ",
		good + "x",
		batch(note, numberedCopies(string(fast[0]), MaxBatchRecords+1)...),
	}
	for _, s := range others {
		out = append(out, batch(note, s))
	}
	return out
}

// numberedCopies returns n copies of a record, whose seqs are 1 to n.
func numberedCopies(record string, n int) (out []string) {
	for i := range n {
		b, _ := json.Marshal(i + 1)
		out = append(out, strings.Replace(record, `"seq":1`, `"seq":`+string(b), 1))
	}
	return out
}

func sameBatch(t *testing.T, data []byte) (fast bool) {
	t.Helper()
	b, records, ok := parseBatchFast(data)
	if !ok {
		return false
	}
	want, wantRecords, err := parseBatchSlowly(data)
	if err != nil || len(data) > MaxBatch || !reflect.DeepEqual(b, want) || !reflect.DeepEqual(records, wantRecords) {
		t.Fatalf("%s\nis read as %+v, want %+v, %v", data, b, want, err)
	}
	return true
}

func TestScannerAgreesWithEncodingJSONOnBatches(t *testing.T) {
	for i, s := range batchTexts(t) {
		if fast := sameBatch(t, []byte(s)); i < 2 && !fast {
			t.Errorf("%s is read the long way", s)
		}
	}
}

func FuzzFastBatch(f *testing.F) {
	for _, s := range batchTexts(f) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { sameBatch(t, data) })
}

func FuzzFastRecord(f *testing.F) {
	fast, others := recordTexts(f)
	for _, b := range fast {
		f.Add(b)
	}
	for _, s := range others {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { sameRecord(t, data) })
}
