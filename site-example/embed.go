// Package siteexample is the example site, carried by the tool so that its demo needs nothing but itself.
package siteexample

import "embed"

// Files are the site's, and the demo issuer's key, which is published and counts nowhere else.
//
//go:embed policy.yaml members.yaml badges status keys
var Files embed.FS
