package roster

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// mostMembers is the size of the largest supported site.
const mostMembers = 10_000

// knownSite returns the store of a site whose members hold three badges each. The verdicts on all badges are cached.
// The badges themselves are missing, because a load with cached verdicts reads no badge.
func knownSite(b *testing.B, members int) (wire.Store, wire.Manifest, Options) {
	b.Helper()
	key, verifier := benchKey(b)
	dir := b.TempDir()
	store := wire.Store{Dir: filepath.Join(dir, "store"), Site: "biklab", Keys: note.VerifierList(verifier)}
	text, err := os.ReadFile("../../site-example/policy.yaml")
	if err != nil {
		b.Fatal(err)
	}
	data := map[string][]byte{}
	install := func(version uint64, buckets []wire.RosterBucket) wire.Manifest {
		m := wire.Manifest{Site: "biklab", Version: version, Issued: monday, Expires: monday.AddDate(0, 1, 0)}
		put := func(name string, chunk []byte) {
			data[wire.Hash(chunk)] = chunk
			m.Chunks = append(m.Chunks, wire.Chunk{Name: name, SHA256: wire.Hash(chunk), Size: int64(len(chunk))})
		}
		put(wire.PolicyChunk, text)
		for i, x := range buckets {
			chunk, err := wire.EncodeChunk(x)
			if err != nil {
				b.Fatal(err)
			}
			put(wire.RosterChunk(i), chunk)
		}
		signed, err := wire.SignManifest(m, key)
		if err != nil {
			b.Fatal(err)
		}
		if m, err = store.Install(signed, func(sha string) ([]byte, error) { return data[sha], nil }, nil); err != nil {
			b.Fatal(err)
		}
		return m
	}
	o := Options{Machine: "laser", CardKey: cardKey, Memory: filepath.Join(dir, "verdicts"), Now: monday}
	l, err := newLoader(store, install(1, nil), o)
	if err != nil {
		b.Fatal(err)
	}
	m := install(2, knownBuckets(members, l.r.Policy, l.memory))
	if err := l.memory.write(o.Memory, func(int) bool { return true }); err != nil {
		b.Fatal(err)
	}
	return store, m, o
}

func benchKey(b *testing.B) (note.Signer, note.Verifier) {
	b.Helper()
	skey, vkey, err := note.GenerateKey(nil, "hub")
	if err != nil {
		b.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		b.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		b.Fatal(err)
	}
	return s, v
}

// knownBuckets returns the buckets of the members, and stores the verdicts on their badges in the cache.
func knownBuckets(members int, p *policy.Policy, known *memory) []wire.RosterBucket {
	out := make([]wire.RosterBucket, wire.Buckets)
	for i := range members {
		id := fmt.Sprintf("m-%06d", i)
		w := wire.Member{ID: id, Name: fmt.Sprintf("Member %d", i), Emails: []string{fmt.Sprintf("member%d@example.org", i)},
			Cards: []string{
				wire.Hash([]byte(id)),
				wire.CardFormHash(cardKey, wire.ShortForm, []byte(id)),
				wire.CardFormHash(cardKey, wire.ShortForm, []byte("x"+id)),
			}}
		for j := range 3 {
			badge, sha := p.Badges[(i+j)%len(p.Badges)], wire.Hash(fmt.Appendf(nil, "%d %d", i, j))
			w.Badges = append(w.Badges, sha)
			h, _ := parseHash(sha)
			known.set(
				known.place(h),
				verdict{
					Valid:       true,
					ID:          "urn:uuid:" + sha[:32],
					Issuer:      p.Issuers[0].Profile,
					Achievement: badge.Achievement,
					From:        monday.AddDate(-1, 0, 0),
					Identifiers: []openbadge.Identity{
						{Type: "emailAddress", Hash: "sha256$" + wire.Hash([]byte(w.Emails[0]+"salt")), Hashed: true, Salt: "salt"},
					},
				},
			)
		}
		at := &out[wire.Bucket(policy.MemberID(id))]
		at.Members = append(at.Members, w)
	}
	return out
}

// BenchmarkLoadKnown measures a load of 10,000 members and 30,000 badges whose verdicts are cached, as at each start,
// and compares it with only reading and hashing the same files. Both operations alternate.
//
//	Run it with: go test ./daemon/roster -run '^$' -bench LoadKnown
func BenchmarkLoadKnown(b *testing.B) {
	store, m, o := knownSite(b, mostMembers)
	var loads, reads []time.Duration
	var cpu time.Duration
	for b.Loop() {
		start, used := time.Now(), processorTime(b)
		r, err := Load(store, m, o)
		cpu += processorTime(b) - used
		if err != nil || r.Verified != 0 || r.Size() != mostMembers || len(r.person(0).Member.Holdings) != 3 {
			b.Fatal(err)
		}
		loads = append(loads, time.Since(start))
		start = time.Now()
		files, err := filepath.Glob(filepath.Join(store.Dir, "chunks", "*"))
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range append(files, o.Memory) {
			data, err := os.ReadFile(f)
			if err != nil {
				b.Fatal(err)
			}
			sha256.Sum256(data)
		}
		reads = append(reads, time.Since(start))
	}
	slices.Sort(loads)
	slices.Sort(reads)
	load, read := loads[len(loads)/2], reads[len(reads)/2]
	b.ReportMetric(float64(load.Milliseconds()), "ms-load-median")
	b.ReportMetric(float64(cpu.Milliseconds())/float64(len(loads)), "ms-processor")
	b.ReportMetric(float64(heapOf(b, store, m, o))/1e6, "MB-heap")
	b.ReportMetric(float64(read.Milliseconds()), "ms-bare-median")
	b.ReportMetric(float64(load)/float64(read), "x-bare")
}

// processorTime returns the CPU time that this process has used. Other load on the computer hardly changes this time.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heapOf returns the bytes of heap that one roster uses.
func heapOf(b *testing.B, store wire.Store, m wire.Manifest, o Options) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := Load(store, m, o)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(r)
	return after.HeapAlloc - before.HeapAlloc
}
