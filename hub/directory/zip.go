package directory

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"portillon/hub/fault"
	"portillon/openbadge"
	"portillon/openbadge/bake"
)

// Limits on uploads. A ZIP that unpacks to more than maxRatio times its size is a ZIP bomb: compression reduces JSON
// only to a tenth.
const (
	maxUpload   = 32 << 20 // largest size of one file, in bytes
	maxFiles    = 1000     // largest number of files of a ZIP
	maxUnpacked = 64 << 20 // largest total size of the files of a ZIP, in bytes
	maxRatio    = 100
	minRatio    = 1 << 20 // size in bytes above which unpack checks the ratio
)

// isZIP reports whether the data begins like a ZIP, including an empty ZIP and a part of a split ZIP (APPNOTE.TXT
// 6.3.10, sections 4.3.7, 4.3.16 and 8.5.3).
func isZIP(b []byte) bool {
	return bytes.HasPrefix(b, []byte("PK\x03\x04")) || bytes.HasPrefix(b, []byte("PK\x05\x06")) || bytes.HasPrefix(b,
		[]byte("PK\x07\x08"))
}

// unpack returns the files of a ZIP. If the data are not a ZIP, unpack returns them as a single file. unpack leaves
// out files that are not badges, such as README.md. The error is *fault.Invalid for a ZIP within the ZIP, and for
// sizes above the limits.
func unpack(name string, data []byte) ([]upload, error) {
	name = clip(strings.ToValidUTF8(name, "-"), 200)
	bad := func(given, wrong, right string) error {
		return &fault.Invalid{Faults: []fault.Field{{Field: "file", Given: clip(given, 200), Wrong: wrong, Right: right}}}
	}
	switch {
	case len(data) == 0:
		return nil, bad(name, "the file is empty", "a badge: JSON, JWT, PNG or SVG, or a ZIP of them")
	case len(data) > maxUpload:
		return nil, bad(name, fmt.Sprintf("the file has %d bytes", len(data)), fmt.Sprintf("at most %d", maxUpload))
	case !isZIP(data):
		if why := tooLarge(data); why != "" {
			return nil, bad(name, why, "a smaller picture")
		}
		return []upload{{name: name, from: name, data: data}}, nil
	}
	// The data are a ZIP: unpack each file within the remaining limits.
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, bad(name, "the ZIP cannot be read: "+err.Error(), "a ZIP of badges")
	}
	if len(z.File) > maxFiles {
		return nil, bad(name, fmt.Sprintf("the ZIP has %d files", len(z.File)), fmt.Sprintf("at most %d", maxFiles))
	}
	var out []upload
	left := min(int64(maxUnpacked), max(minRatio, maxRatio*int64(len(data))))
	for _, f := range z.File {
		given := clip(strings.ToValidUTF8(f.Name, "-"), 200)
		if !isBadgeFile(f) {
			continue
		}
		b, why := inflate(f, left)
		if why == "" && isZIP(b) {
			why = "the ZIP holds another ZIP"
		}
		if why == "" {
			why = tooLarge(b)
		}
		if why != "" {
			return nil, bad(given, why, "a ZIP of badges: JSON, JWT, PNG and SVG")
		}
		left -= int64(len(b))
		out = append(out, upload{name: given, from: given, data: b})
	}
	return out, nil
}

// isBadgeFile reports whether a file may be a badge. isBadgeFile excludes folders, empty and hidden files, the extra
// files of macOS, and README.md.
func isBadgeFile(f *zip.File) bool {
	base := path.Base(strings.ReplaceAll(f.Name, `\`, "/"))
	return !f.FileInfo().IsDir() && !strings.HasPrefix(base, ".") && !strings.HasPrefix(f.Name, "__MACOSX/") &&
		base != "README.md" &&
		!strings.HasSuffix(base, ".places") && f.UncompressedSize64 > 0
}

// inflate unpacks a file of a ZIP, at most most bytes, whatever size the ZIP declares. The result why is the reason
// for a failure; empty: success.
func inflate(f *zip.File, most int64) (b []byte, why string) {
	tooMuch := fmt.Sprintf("the ZIP unpacks to more than %d bytes, or to more than %d times its size", maxUnpacked,
		maxRatio)
	if f.UncompressedSize64 > uint64(most) {
		return nil, tooMuch
	}
	if f.Flags&1 != 0 { // APPNOTE.TXT, section 4.4.4, bit 0
		return nil, "the file is encrypted"
	}
	r, err := f.Open()
	if err != nil {
		return nil, "the file cannot be unpacked: " + err.Error()
	}
	defer r.Close()
	b, err = io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return nil, "the file cannot be unpacked: " + err.Error()
	case int64(len(b)) > most:
		return nil, tooMuch
	}
	return b, ""
}

// tooLarge reports that a file is larger than its format allows; empty: the size is allowed.
func tooLarge(b []byte) string {
	most := openbadge.MaxListBytes // a status list is the largest document that the hub accepts
	switch bake.Format(b) {
	case bake.PNG:
		most = bake.MaxBytes
	case bake.SVG:
		most = bake.MaxSVG
	}
	if len(b) > most {
		return fmt.Sprintf("%d bytes, at most %d are read", len(b), most)
	}
	return ""
}
