//go:build race

package file

// slack is how much slower the race detector makes things.
const slack = 10
