package httpd

import "net/http"

// The content security policies (CSP Level 3). Nothing is inline, nothing comes from elsewhere, nothing is framed.
const (
	// DataPolicy is for answers that are no page: the default of every answer.
	DataPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// PagePolicy is for pages: one stylesheet, one script, pictures of the hub, forms to the hub.
	PagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// securityHeaders sets the headers that every answer of the hub has, an error and an answer to a panic too.
func securityHeaders(h http.Header, id string) {
	h.Set("Request-Id", id)
	h.Set("Content-Security-Policy", DataPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language, Cookie, Authorization")
}

// Page marks an answer as a page: its policy lets the hub's own stylesheet, script and forms work.
func Page(h http.Header) { h.Set("Content-Security-Policy", PagePolicy) }

// Asset marks an answer as a file of the hub whose name changes with its content.
func Asset(h http.Header) {
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Del("Vary")
}
