package httpd

import "net/http"

// These are the content security policies of responses (CSP Level 3). The policies forbid inline scripts and styles,
// content from other servers, and frames.
const (
	// DataPolicy is the policy of every response that is not a page.
	DataPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// PagePolicy is for pages: it allows a stylesheet, a script, images and forms of the hub itself.
	PagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// securityHeaders sets the headers of every response, including errors and responses after a panic.
func securityHeaders(h http.Header, id string) {
	h.Set("Request-Id", id)
	h.Set("Content-Security-Policy", DataPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // forbids frames in browsers that do not support frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language, Cookie, Authorization")
}

// Page marks a response as a page: the response may use the hub's own stylesheet, script and forms.
func Page(h http.Header) { h.Set("Content-Security-Policy", PagePolicy) }

// Asset marks a response as a file whose name changes with its content. Browsers may cache the file for a year.
func Asset(h http.Header) {
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Del("Vary")
}
