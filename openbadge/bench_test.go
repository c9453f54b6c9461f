package openbadge

import "testing"

// BenchmarkVerify measures the verification of a typical badge of about 3 KB, with evidence and a status.
func BenchmarkVerify(b *testing.B) {
	k := key(b)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	for form, data := range issued(b, k) {
		b.Run(form, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if v := Verify(data, o); v.State != Valid {
					b.Fatal(v.Why())
				}
			}
		})
	}
}
