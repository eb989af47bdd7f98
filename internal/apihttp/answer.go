package apihttp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// LongestWait caps what an answer may ask us to wait.
const LongestWait = 24 * time.Hour

// ErrTooLarge ends the reading of an answer that is larger than it may be.
var ErrTooLarge = errors.New("too large")

// Bounded reads only so much, and remembers why it ended early.
type Bounded struct {
	io.Reader
	// Left is how many bytes may still come.
	Left int64
	// Err is why the reading ended early: ErrTooLarge or the Reader's error; nil at the Reader's end.
	Err error
}

// Read implements io.Reader.
func (b *Bounded) Read(p []byte) (int, error) {
	if b.Err != nil {
		return 0, b.Err
	}
	n, err := b.Reader.Read(p)
	if b.Left -= int64(n); b.Left < 0 {
		err = ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.Err = err
	}
	return n, err
}

// TooLarge says that an answer has more bytes than are read.
func TooLarge(most int64) string { return fmt.Sprintf("the answer is larger than %d bytes", most) }

// BrokenOff says why an answer that had begun did not come to its end.
func BrokenOff(err error) string { return "the answer broke off: " + brokenOff(err) }

// WithoutMark skips a byte order mark.
func WithoutMark(body io.Reader) io.Reader {
	r := bufio.NewReader(body)
	const mark = "\xef\xbb\xbf"
	if start, err := r.Peek(len(mark)); err == nil && string(start) == mark {
		_, _ = r.Discard(len(mark))
	}
	return r
}

// RetryAfter reads the header's seconds or date, at most LongestWait; 0 where it has neither.
func RetryAfter(header string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(strings.TrimSpace(header), 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), LongestWait)
}

// StatusText is an HTTP status with its name.
func StatusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// contentType is the bare media type for a message, "" where there is none.
func contentType(resp *http.Response) string {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return " (" + media + ")"
}

// ForeignAnswer says what came instead of an answer of the API, which is called so; why is what is wrong with the body, nil if nothing is.
func ForeignAnswer(resp *http.Response, api string, why error) string {
	text := "HTTP " + StatusText(resp.StatusCode) + contentType(resp) + ", no answer of " + api
	switch {
	case resp.StatusCode < 300:
		return why.Error() + contentType(resp)
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return text + "; check the user and the password of the proxy, in HTTP_PROXY"
	case resp.StatusCode < 500:
		return text + "; check the endpoint"
	}
	return text
}

// IsRedirect says whether a status sends the client elsewhere.
func IsRedirect(status int) bool { return status >= 300 && status < 400 }

// RedirectProblem names the other host but not the rest of the address, which may repeat parameters.
func RedirectProblem(resp *http.Response) string {
	to := "another address"
	if u, err := resp.Location(); err == nil && u.Host != "" {
		to = u.Scheme + "://" + u.Host
	}
	return fmt.Sprintf("HTTP %s: redirects to %s, which is not followed; check the endpoint", StatusText(resp.StatusCode), to)
}
