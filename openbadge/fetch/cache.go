package fetch

import (
	"container/list"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// copied is a cached copy of a document. It does not change.
type copied struct {
	url            string // final URL of the document, after redirects
	data           []byte
	etag, modified string    // the server's validators for this version
	fresh          time.Time // the copy is used without a request until this time
}

// ask makes a request conditional (RFC 9110, section 13.1).
func (c *copied) ask(h http.Header) {
	if c.etag != "" {
		h.Set("If-None-Match", c.etag)
	}
	if c.modified != "" {
		h.Set("If-Modified-Since", c.modified)
	}
}

// size returns the bytes that a copy takes in the cache, including an estimate for its metadata.
func (c *copied) size() int {
	return len(c.data) + len(c.url) + len(c.etag) + len(c.modified) + 256
}

// cache holds copies up to a total size. It removes the least recently used copy first. Its methods may be called
// concurrently.
type cache struct {
	mu    sync.Mutex
	room  int // remaining bytes
	byKey map[string]*list.Element
	order *list.List // of kept; the most recently used is first
}

// kept is an entry of the cache.
type kept struct {
	key string
	*copied
}

// newCache returns an empty cache for the given number of bytes.
func newCache(bytes int) *cache {
	return &cache{room: bytes, byKey: map[string]*list.Element{}, order: list.New()}
}

// get returns the copy for a key, or nil.
func (c *cache) get(key string) *copied {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(kept).copied
}

// put stores a copy, and removes old copies until all fit.
func (c *cache) put(key string, d *copied) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
	c.byKey[key] = c.order.PushFront(kept{key, d})
	for c.room -= d.size(); c.room < 0 && c.order.Len() > 0; {
		c.remove(c.order.Back())
	}
}

// drop removes the copy for a key.
func (c *cache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
}

// remove removes an entry. The caller holds mu.
func (c *cache) remove(e *list.Element) {
	if e == nil {
		return
	}
	k := c.order.Remove(e).(kept)
	delete(c.byKey, k.key)
	c.room += k.size()
}

// lifetime returns how long a response may be used without a request (RFC 9111, section 5.2.2), and whether it may be
// stored at all. If the server does not say how long, the time is zero: there is no heuristic.
func lifetime(h http.Header) (life time.Duration, store bool) {
	for _, d := range strings.Split(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), "=")
		switch name {
		case "no-store":
			return 0, false
		case "no-cache":
			return 0, true
		case "max-age":
			life = seconds(strings.Trim(value, `"`))
		}
	}
	return max(0, life-seconds(h.Get("Age"))), true
}

// seconds parses a number of seconds, at most a year. Invalid text gives zero.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, 365*24*3600)) * time.Second
}
