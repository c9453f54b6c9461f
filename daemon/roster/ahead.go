package roster

import (
	"fmt"
	"runtime"

	"portillon/wire"
)

// bucketReader reads and decodes the roster's buckets on the other cores of the processor, in order, before the loader
// needs them.
type bucketReader struct {
	waiting chan chan decoded
	stopped chan struct{}
}

// decoded is the result of reading a bucket. A nil bucket without an error means that the bundle has no members in this
// bucket.
type decoded struct {
	bucket *wire.RosterBucket
	err    error
}

// aheadBuckets is the largest number of decoded buckets that wait for the loader. At a site of 10,000 members, each
// bucket has about 40 members.
const aheadBuckets = 16

// readAhead starts reading. The caller of the function must call stop once.
func readAhead(s wire.Store, m wire.Manifest) *bucketReader {
	a := &bucketReader{make(chan chan decoded, aheadBuckets), make(chan struct{})}
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	go func() {
		for b := range wire.Buckets {
			done := make(chan decoded, 1)
			select {
			case a.waiting <- done:
			case <-a.stopped:
				return
			}
			slots <- struct{}{}
			go func() {
				bucket, err := readBucket(s, m, b)
				done <- decoded{bucket, err}
				<-slots
			}()
		}
	}()
	return a
}

// next waits for the next bucket. Call next at most wire.Buckets times.
func (a *bucketReader) next() (*wire.RosterBucket, error) {
	d := <-<-a.waiting
	return d.bucket, d.err
}

func (a *bucketReader) stop() { close(a.stopped) }

func readBucket(s wire.Store, m wire.Manifest, b int) (*wire.RosterBucket, error) {
	raw, err := s.Chunk(m, wire.RosterChunk(b))
	if err != nil || raw == nil {
		return nil, err
	}
	var bucket wire.RosterBucket
	if err := wire.DecodeChunk(raw, &bucket); err != nil {
		return nil, fmt.Errorf("%s: %w", wire.RosterChunk(b), err)
	}
	return &bucket, nil
}
