// Command speed verifies one credential over and over for some seconds, on one core, and prints how many a second: for
// .ci/openbadge-js/speed.mjs, which does the same with another library.
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
	rate(time.Second/2, data, o)
	fmt.Printf("%.0f\n", rate(2*time.Second, data, o))
}

// rate verifies for a while, and gives the verifications a second.
func rate(span time.Duration, data []byte, o openbadge.Options) float64 {
	start, n := time.Now(), 0
	for ; time.Since(start) < span; n++ {
		if v := openbadge.Verify(data, o); v.State != openbadge.Valid {
			panic(v.Why())
		}
	}
	return float64(n) / time.Since(start).Seconds()
}
