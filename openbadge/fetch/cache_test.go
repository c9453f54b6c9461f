package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portillon/openbadge"
)

var quiet = log.New(io.Discard, "", 0)

func escape(s string) string { return url.QueryEscape(s) }

// The test resolves the same document once a minute. The table has, for each response of the server, the expected
// requests and the results.
func TestCopiesAreUsedUntilTheShorterLimit(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		want   string // one character for each minute: - no request, a full request, c conditional request
	}{
		"nothing said":             {http.Header{}, "aaaa"},
		"two minutes":              {http.Header{"Cache-Control": {"public, Max-Age=120"}}, "a-a-"},
		"two minutes, one is over": {http.Header{"Cache-Control": {"max-age=120"}, "Age": {"61"}}, "aaaa"},
		"a year, but we say three": {http.Header{"Cache-Control": {"max-age=31536000"}}, "a--a"},
		"a name":                   {http.Header{"Etag": {`"1"`}}, "accc"},
		"a date":                   {http.Header{"Last-Modified": {"Mon, 23 Nov 2026 12:00:00 GMT"}}, "accc"},
		"a name and two minutes":   {http.Header{"Etag": {`"1"`}, "Cache-Control": {"max-age=120"}}, "a-c-"},
		"not to be kept":           {http.Header{"Etag": {`"1"`}, "Cache-Control": {"max-age=120", "no-store"}}, "aaaa"},
		"always to be asked":       {http.Header{"Etag": {`"1"`}, "Cache-Control": {"max-age=120, no-cache"}}, "accc"},
		"for less than no time":    {http.Header{"Cache-Control": {"max-age=-1"}}, "aaaa"},
		"for ever and a day":       {http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, "aaaa"},
		"its time is over":         {http.Header{"Cache-Control": {"max-age=60"}, "Age": {"4000000000"}}, "aaaa"},
		"a redirection, three days": {
			http.Header{"Etag": {`"1"`}, "Cache-Control": {"max-age=259200"}, "X-Moved": {"1"}},
			"accc",
		},
	} {
		now, said := time.Unix(0, 0), ""
		client, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" && c.header.Get("X-Moved") != "" {
				http.Redirect(w, r, "/there", http.StatusMovedPermanently)
				return
			}
			for k, v := range c.header {
				w.Header()[k] = v
			}
			if tag, date := c.header.Get("ETag"), c.header.Get("Last-Modified"); tag+date != "" &&
				r.Header.Get("If-None-Match") == tag &&
				r.Header.Get("If-Modified-Since") == date {
				said += "c"
				w.WriteHeader(http.StatusNotModified)
				return
			}
			said += "a"
			_, _ = w.Write([]byte("{}"))
		}, func(o *Options) { o.MaxAge = 3 * time.Minute })
		client.now = func() time.Time { return now }
		for minute := range 4 {
			if b, err := client.Resolve(url + "/"); string(b) != "{}" {
				t.Errorf("%s, minute %d: %q %v", name, minute, b, err)
			}
			if len(said) == minute {
				said += "-"
			}
			now = now.Add(time.Minute)
		}
		if said != c.want {
			t.Errorf("%s: %s, want %s", name, said, c.want)
		}
	}
}

// If the server answers "304 Not Modified" for another URL than the URL of the copy, the Client must ignore the copy.
func TestCopyIsUsedOnlyForItsOwnURL(t *testing.T) {
	moved := false
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/" && moved:
			http.Redirect(w, r, "/evil", http.StatusFound)
		case r.URL.Path == "/evil":
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("ETag", `"1"`)
			_, _ = w.Write([]byte("{}"))
		}
	})
	if _, err := c.Resolve(url + "/"); err != nil {
		t.Fatal(err)
	}
	moved = true
	if b, err := c.Resolve(url + "/"); err == nil {
		t.Errorf("%q", b)
	}
}

// If the server fails, a stale copy must not hide the error, because the copy may lack newer revocations.
func TestStaleCopiesAreNotUsedWhenTheServerFails(t *testing.T) {
	code := http.StatusOK
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Cache-Control", "stale-if-error=86400")
		w.WriteHeader(code)
	})
	for _, code = range []int{200, 500, 200, 410, 200, 404} {
		b, err := c.Resolve(url)
		if (err == nil) != (code == 200) || errors.Is(err, openbadge.ErrGone) != (code == 410) {
			t.Errorf("%d: %q %v", code, b, err)
		}
	}
}

func TestCacheSizeIsBounded(t *testing.T) {
	asked := 0
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Cache-Control", "max-age=100")
		_, _ = w.Write([]byte(strings.Repeat("a", 1000)))
	}, func(o *Options) { o.CacheBytes = 4000 })
	for range 3 {
		for i := range 10 {
			for _, path := range []string{fmt.Sprint("/", i), "/used"} {
				if _, err := c.Resolve(url + path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if n := c.cache.order.Len(); n > 3 || n != len(c.cache.byKey) || asked != 31 {
		t.Errorf("%d copies are kept, %d by key, %d requests were made", n, len(c.cache.byKey), asked)
	}
	k := newCache(1000)
	for range 5 {
		k.put("a", &cachedCopy{})
	}
	if k.order.Len() != 1 || k.room != 1000-256 {
		t.Errorf("one copy is kept %d times, and %d bytes are left", k.order.Len(), k.room)
	}
	for _, size := range []int{-1, 100} {
		k := newCache(size)
		k.put("a", &cachedCopy{})
		if k.room != size || k.get("a") != nil {
			t.Errorf("a cache of %d bytes stores a copy", size)
		}
	}
}

func TestCallersGetTheirOwnCopy(t *testing.T) {
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=100")
		_, _ = w.Write([]byte("{}"))
	})
	for range 3 {
		b, err := c.Resolve(url)
		if err != nil || string(b) != "{}" {
			t.Fatalf("%q %v", b, err)
		}
		b[0] = 'x'
	}
}

func TestConcurrentRequestsAreFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		var fetched, served atomic.Int32
		release := make(chan struct{})
		for range 20 {
			go func() {
				b, err := f.share(t.Context(), "a", func() ([]byte, error) { fetched.Add(1); <-release; return []byte("{}"), nil })
				if string(b) == "{}" && err == nil {
					served.Add(1)
				}
			}()
		}
		if b, _ := f.share(t.Context(), "b", func() ([]byte, error) { return []byte("b"), nil }); string(b) != "b" {
			t.Error("a request for another URL had to wait")
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if fetched.Load() != 1 || served.Load() != 20 || len(f.byKey) != 0 {
			t.Errorf("fetched %d times for %d, %d still under way", fetched.Load(), served.Load(), len(f.byKey))
		}
	})
}

// If a caller cancels, the other callers must still get the document. A waiting caller may cancel too.
func TestWaitingCallersSurviveACancelledFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		type got struct {
			data []byte
			err  error
		}
		ask := func(ctx context.Context, text string) chan got {
			out := make(chan got, 1)
			go func() {
				b, err := f.share(ctx, "a", func() ([]byte, error) {
					if text == "" {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return []byte(text), nil
				})
				out <- got{b, err}
			}()
			synctest.Wait()
			return out
		}
		first, leave := context.WithCancel(t.Context())
		third, leaveToo := context.WithCancel(t.Context())
		a, b, c := ask(first, ""), ask(t.Context(), "b"), ask(third, "c")
		leaveToo()
		if g := <-c; !errors.Is(g.err, context.Canceled) {
			t.Errorf("the third: %q %v", g.data, g.err)
		}
		leave()
		if g := <-a; !errors.Is(g.err, context.Canceled) {
			t.Errorf("the first: %q %v", g.data, g.err)
		}
		if g := <-b; string(g.data) != "b" {
			t.Errorf("the second: %q %v", g.data, g.err)
		}
	})
}

// All waiting callers must get the timeout error of the fetch that they share.
func TestTimeoutsAreSharedByWaitingCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		fetched := 0
		done := make(chan error, 2)
		for range 2 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errSlow)
			defer cancel()
			go func() {
				_, err := f.share(ctx, "a", func() ([]byte, error) { fetched++; <-ctx.Done(); return nil, context.Cause(ctx) })
				done <- err
			}()
			synctest.Wait()
		}
		for range 2 {
			if err := <-done; !errors.Is(err, errSlow) {
				t.Error(err)
			}
		}
		if fetched != 1 {
			t.Errorf("fetched %d times", fetched)
		}
	})
}

// The lifetime of a response must always be between zero and a year.
func FuzzLifetime(f *testing.F) {
	f.Add("max-age=120, no-cache", "61")
	f.Add(`MAX-AGE="1"`, "-1")
	f.Add("max-age=99999999999999999999,no-store", "")
	f.Fuzz(func(t *testing.T, control, age string) {
		life, store := lifetime(http.Header{"Cache-Control": {control}, "Age": {age}})
		if life < 0 || life > 365*24*time.Hour || !store && life > 0 {
			t.Fatalf("%q, %q: %v %v", control, age, life, store)
		}
	})
}
