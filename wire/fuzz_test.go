package wire

import (
	"bytes"
	"fmt"
	"testing"

	"portillon/policy"
)

func policyID(i int) policy.MemberID { return policy.MemberID(fmt.Sprintf("m-%06d", i)) }

func FuzzBatch(f *testing.F) {
	s, _ := keys(f)
	f.Add(batch(f, s, sample(f)))
	f.Add([]byte(`{"records":[{"salt":"00","record":{}}],"checkpoint":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, records, err := ParseBatch(b)
		if err == nil && (len(records) == 0 || len(records) != len(got.Records) || records[0].Seq == 0) {
			t.Fatal("an empty batch was taken")
		}
	})
}

func FuzzOpen(f *testing.F) {
	s, v := keys(f)
	m, _ := SignManifest(manifest(), s)
	a, _ := SignAck(Ack{Site: "biklab", Machine: "laser", Seq: 5, Root: "00"}, s)
	c, _ := SignCommand(command, s)
	for _, b := range [][]byte{m, a, c, []byte("a\n\n— x y\n")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		OpenManifest(b, v)
		OpenAck(b, v, "biklab", "laser")
		OpenCheckpoint(b, "portillon/biklab/laser", v)
		(&Commands{Site: "biklab", Machine: "laser", Keys: v}).Open(b, at, true)
		ParseState(b)
		DecodeChunk(b, &RosterBucket{})
		DecodeChunk(b, &BadgesBucket{})
	})
}

func FuzzBundle(f *testing.F) {
	f.Add(bundleFile(f, manifest()))
	f.Add(bytes.Repeat([]byte{0}, 1024))
	_, v := keys(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		taken := 0
		err := ReadBundle(
			bytes.NewReader(b),
			v,
			func([]byte, Manifest) error { return nil },
			func(sha string, c []byte) error {
				taken++
				if Hash(c) != sha {
					t.Fatal("a chunk that is not what it says")
				}
				return nil
			},
		)
		if err == nil && taken != 3 {
			t.Fatalf("a whole bundle of %d chunks", taken)
		}
		Peek(bytes.NewReader(b))
	})
}
