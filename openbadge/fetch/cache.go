package fetch

import (
	"container/list"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cachedCopy is a copy of a document in the cache. The cache never changes a stored copy.
type cachedCopy struct {
	url            string // URL from which the document was read, after all redirects
	data           []byte
	etag, modified string    // the validators (ETag, Last-Modified) that the server sent with this version
	fresh          time.Time // until this time, the Client uses the copy without asking the server
}

// addConditions adds the copy's validators to a request, so that the request is conditional (RFC 9110, section 13.1).
func (c *cachedCopy) addConditions(h http.Header) {
	if c.etag != "" {
		h.Set("If-None-Match", c.etag)
	}
	if c.modified != "" {
		h.Set("If-Modified-Since", c.modified)
	}
}

// size returns how many bytes a copy takes in the cache, including an estimate for the metadata.
func (c *cachedCopy) size() int {
	return len(c.data) + len(c.url) + len(c.etag) + len(c.modified) + 256
}

// cache stores copies of documents, up to a total size. When the cache is full, it removes the least recently used
// copy first. The methods of a cache may be called concurrently.
type cache struct {
	mu    sync.Mutex
	room  int // remaining bytes
	byKey map[string]*list.Element
	order *list.List // list of cacheEntry; the most recently used is first
}

// cacheEntry is an entry of the cache.
type cacheEntry struct {
	key string
	*cachedCopy
}

// newCache returns an empty cache that stores at most the given number of bytes.
func newCache(bytes int) *cache {
	return &cache{room: bytes, byKey: map[string]*list.Element{}, order: list.New()}
}

// get returns the copy for a key, or nil if the cache has no copy for it.
func (c *cache) get(key string) *cachedCopy {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(cacheEntry).cachedCopy
}

// put stores a copy, and removes old copies until the total size is within the limit.
func (c *cache) put(key string, d *cachedCopy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
	c.byKey[key] = c.order.PushFront(cacheEntry{key, d})
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

// remove removes an entry from the list and from the map. The caller must hold mu.
func (c *cache) remove(e *list.Element) {
	if e == nil {
		return
	}
	k := c.order.Remove(e).(cacheEntry)
	delete(c.byKey, k.key)
	c.room += k.size()
}

// lifetime returns how long a response may be used without a request (RFC 9111, section 5.2.2), and whether it may be
// stored at all. If the server does not specify a lifetime, the lifetime is zero.
func lifetime(h http.Header) (life time.Duration, store bool) {
	for _, d := range strings.Split(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), "=")
		switch name {
		case "no-store":
			return 0, false
		case "no-cache":
			return 0, true
		case "max-age":
			life = parseSeconds(strings.Trim(value, `"`))
		}
	}
	return max(0, life-parseSeconds(h.Get("Age"))), true
}

// parseSeconds parses a number of seconds, at most a year. For an invalid text, parseSeconds returns zero.
func parseSeconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, 365*24*3600)) * time.Second
}
