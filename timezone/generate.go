//go:build ignore

// generate writes zones.gz from the zone files of the Go toolchain.
package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		log.Fatal(err)
	}
	z, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		log.Fatal(err)
	}
	defer z.Close()
	var index, data bytes.Buffer
	offsets := map[string]int{} // offset in the output of the data of a zone, by the data that are already written
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			log.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			log.Fatal(err)
		}
		if len(b) == 0 { // skip an entry of the ZIP that is a folder
			continue
		}
		at, written := offsets[string(b)]
		if !written {
			at = data.Len()
			offsets[string(b)] = at
			data.Write(b)
		}
		fmt.Fprintf(&index, "%s %d %d\n", f.Name, at, len(b))
	}
	index.WriteByte('\n')
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(w, io.MultiReader(&index, &data)); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("zones.gz", out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
