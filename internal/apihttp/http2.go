package apihttp

import (
	"errors"
	"fmt"
	"strings"
)

// streamError has the fields of net/http's error for a single call that was ended over HTTP/2: that error is not exported, and
// converts itself to any error with the same fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error implements error.
func (e streamError) Error() string { return http2Code(e.Code) }

// http2Codes are the names of HTTP/2's error codes, RFC 9113, section 7.
var http2Codes = []string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

func http2Code(code uint32) string {
	if int64(code) < int64(len(http2Codes)) {
		return http2Codes[code]
	}
	return fmt.Sprint(code)
}

// Two of net/http's errors have no type of their own to know them by. Tests provoke both.
const (
	lostPing = "http2: client connection lost"
	goAway   = "http2: server sent GOAWAY"
)

// http2Problem says what ended a call over HTTP/2, "" where it is not that. It leaves out the numbers of streams, which
// differ from try to try, and what the server wrote beside, for the reasons of withoutAddresses.
func http2Problem(err error) string {
	if stream, ok := errors.AsType[streamError](err); ok {
		return "the call was ended by HTTP/2 " + stream.Error()
	}
	switch text := err.Error(); {
	case text == lostPing:
		return "the server has stopped answering; its connection was closed"
	case strings.HasPrefix(text, goAway):
		return "the connection was closed"
	}
	return ""
}
