//go:build race

package openbadge

// slack is how much slower the race detector makes what a test times.
const slack = 15
