package ui

import (
	"cmp"
	"context"
	"crypto/sha256"
	hexadecimal "encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"latent/gpu/atomicfile"
)

// A download is a file to fetch into a folder. What has come of it lies there as
// NAME.part until it is whole; beside it, NAME.part.tag says of which version.
type download struct {
	url    string
	sha256 string // 64 hexadecimal digits that the file must have; "": whatever
	folder string
	client *http.Client
	report func(done, total int64) // bytes; total is 0 where it is not known
}

// run fetches the file, or the rest of it, and returns its path. What came before
// an error is kept for the next time.
func (d *download) run(ctx context.Context) (string, error) {
	d.sha256 = strings.ToLower(strings.TrimSpace(d.sha256))
	if b, err := hexadecimal.DecodeString(d.sha256); err != nil || len(b) != 0 && len(b) != sha256.Size {
		return "", errors.New("the SHA-256 must have 64 hexadecimal digits")
	}
	u, err := url.Parse(strings.TrimSpace(d.url))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("write the whole address of the file, from https:// on")
	}
	if err := os.MkdirAll(d.folder, 0o755); err != nil {
		return "", fmt.Errorf("the models folder cannot be made: %w", atomicfile.Reason(err))
	}
	// The name in the address finds what came before; the server may give another.
	part := filepath.Join(d.folder, "."+plainName(path.Base(u.Path))+".part")
	res, have, err := d.ask(ctx, u, part)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t == "text/html" {
		return "", errors.New("there is a web page at this address, and no file: copy the address of the download itself")
	}
	name := plainName(path.Base(u.Path))
	if _, p, err := mime.ParseMediaType(res.Header.Get("Content-Disposition")); err == nil && p["filename"] != "" {
		name = plainName(p["filename"])
	}
	to := filepath.Join(d.folder, name)
	if _, err := os.Lstat(to); err == nil {
		return "", fmt.Errorf("there is a file %s already", name)
	}
	if err := d.receive(ctx, res, part, have); err != nil {
		return "", err
	}
	if d.sha256 != "" {
		sum, err := hashFile(ctx, part)
		if err != nil {
			return "", err
		}
		if sum != d.sha256 {
			os.Remove(part)
			os.Remove(part + ".tag")
			return "", fmt.Errorf("the file's SHA-256 is %s…, not the wanted one: it was not kept. Look whether address and sum belong together", sum[:16])
		}
	}
	if err := os.Link(part, to); err != nil { // which replaces no other file
		if errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("there is a file %s already", name)
		}
		if err := os.Rename(part, to); err != nil { // some file systems have no links
			return "", fmt.Errorf("the file cannot be kept: %w", atomicfile.Reason(err))
		}
	}
	os.Remove(part)
	os.Remove(part + ".tag")
	return to, nil
}

// ask sends the request for what is missing; have is how much is there already.
func (d *download) ask(ctx context.Context, u *url.URL, part string) (res *http.Response, have int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, 0, err
	}
	tag, _ := os.ReadFile(part + ".tag")
	if info, err := os.Stat(part); err == nil && len(tag) > 0 {
		have = info.Size()
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		req.Header.Set("If-Range", string(tag))
	}
	res, err = d.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		return nil, 0, fmt.Errorf("%s does not answer: %w", u.Host, cause(err))
	}
	switch res.StatusCode {
	case http.StatusOK:
		have = 0 // all of it, from the beginning
	case http.StatusPartialContent:
		if !strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)) {
			res.Body.Close()
			return nil, 0, fmt.Errorf("%s sends another part of the file than was asked for", u.Host)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		// What is there is no beginning of it.
		res.Body.Close()
		os.Remove(part)
		os.Remove(part + ".tag")
		return d.ask(ctx, u, part)
	case http.StatusUnauthorized, http.StatusForbidden:
		res.Body.Close()
		return nil, 0, fmt.Errorf("%s wants you to sign in: download the file in a browser and drop it here", u.Host)
	default:
		res.Body.Close()
		return nil, 0, fmt.Errorf("%s answers %s", u.Host, strings.ToLower(res.Status))
	}
	return res, have, nil
}

// receive appends the answer's body to the part file.
func (d *download) receive(ctx context.Context, res *http.Response, part string, have int64) (err error) {
	flags := os.O_WRONLY | os.O_CREATE
	if have == 0 {
		flags |= os.O_TRUNC
		tag := cmp.Or(res.Header.Get("ETag"), res.Header.Get("Last-Modified"))
		if strings.HasPrefix(tag, "W/") {
			tag = "" // does not promise the same bytes
		}
		os.Remove(part + ".tag")
		if tag != "" {
			if err := atomicfile.WriteFile(part+".tag", []byte(tag)); err != nil {
				return fmt.Errorf("the file cannot be written: %w", atomicfile.Reason(err))
			}
		}
	}
	f, err := os.OpenFile(part, flags, 0o644)
	if err != nil {
		return fmt.Errorf("the file cannot be written: %w", atomicfile.Reason(err))
	}
	defer func() { err = cmp.Or(err, atomicfile.Reason(f.Close())) }()
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return err
	}
	total := int64(0)
	if res.ContentLength >= 0 {
		total = have + res.ContentLength
	}
	buf := make([]byte, 1<<20)
	told := time.Time{}
	for {
		n, rerr := res.Body.Read(buf)
		if _, err := f.Write(buf[:n]); err != nil {
			return fmt.Errorf("the file cannot be written: %w. What has come is kept: make room and go on", atomicfile.Reason(err))
		}
		have += int64(n)
		if now := time.Now(); now.Sub(told) > 100*time.Millisecond || rerr != nil {
			told = now
			d.report(have, total)
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("the connection broke: %w. What has come is kept: press Download to go on", cause(rerr))
		}
	}
	if total > 0 && have != total {
		return errors.New("the connection ended too early. What has come is kept: press Download to go on")
	}
	return f.Sync()
}

// cause is the innermost error: the outer ones repeat the address.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// plainName makes a file name of what a server says: without folders, never hidden.
func plainName(s string) string {
	s = path.Base(strings.ReplaceAll(s, `\`, "/"))
	s = strings.TrimLeft(strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/<>:"|?*`, r) || r == 0x7F {
			return -1
		}
		return r
	}, s), ".")
	if len(s) > 200 {
		ext := filepath.Ext(s)
		s = strings.ToValidUTF8(s[:200-min(len(ext), 20)], "") + ext[:min(len(ext), 20)]
	}
	if strings.TrimSpace(s) == "" {
		return "download"
	}
	return s
}

func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", atomicfile.Reason(err)
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			return hexadecimal.EncodeToString(h.Sum(nil)), nil
		}
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return "", err
		}
	}
}
