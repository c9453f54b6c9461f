package fetch

import (
	"container/list"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// copied is a copy of a document. It is never changed.
type copied struct {
	url            string // where it stood at last
	data           []byte
	etag, modified string    // the server's names for this state of it
	fresh          time.Time // until when it is used without asking
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

// size is what a copy weighs: its bytes, and some for what is around them.
func (c *copied) size() int {
	return len(c.data) + len(c.url) + len(c.etag) + len(c.modified) + 256
}

// cache holds copies, of so many bytes together; the one that was not used for longest goes first.
type cache struct {
	mu    sync.Mutex
	room  int
	byKey map[string]*list.Element
	order *list.List // of kept, the last used in front
}

type kept struct {
	key string
	*copied
}

func newCache(bytes int) *cache {
	return &cache{room: bytes, byKey: map[string]*list.Element{}, order: list.New()}
}

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

func (c *cache) put(key string, d *copied) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
	c.byKey[key] = c.order.PushFront(kept{key, d})
	for c.room -= d.size(); c.room < 0 && c.order.Len() > 0; {
		c.remove(c.order.Back())
	}
}

func (c *cache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
}

func (c *cache) remove(e *list.Element) {
	if e == nil {
		return
	}
	k := c.order.Remove(e).(kept)
	delete(c.byKey, k.key)
	c.room += k.size()
}

// lifetime is how long a server lets us use its answer without asking (RFC 9111, section 5.2.2), and whether we may
// keep it at all. What it does not say is no time: there is no guessing.
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

// seconds reads a number of seconds of at most a year; anything else is none.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, 365*24*3600)) * time.Second
}
