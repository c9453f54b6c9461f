// Command speed verifies one credential for some seconds on one core and prints the number of verifications per second,
// for .ci/openbadge-js/speed.mjs, which does the same with another library. The arguments of the command are the
// credential's file and the issuer's did:key.
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"portillon/openbadge"
)

func main() {
	runtime.GOMAXPROCS(1)
	file, issuer := os.Args[1], os.Args[2]
	data, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	o := openbadge.Options{Trust: []openbadge.Issuer{{ID: issuer, Keys: []string{issuer}}}, At: at}
	// Verify for half a second to warm up the program, and then measure.
	rate(time.Second/2, data, o)
	fmt.Printf("%.0f\n", rate(2*time.Second, data, o))
}

// rate verifies the credential again and again for the given time, and returns the number of verifications per
// second.
func rate(span time.Duration, data []byte, o openbadge.Options) float64 {
	start, n := time.Now(), 0
	for ; time.Since(start) < span; n++ {
		if v := openbadge.Verify(data, o); v.State != openbadge.Valid {
			panic(v.Why())
		}
	}
	return float64(n) / time.Since(start).Seconds()
}
