//go:build !race

package hub_test

// sparse is 1: everything is asked.
const sparse = 1
