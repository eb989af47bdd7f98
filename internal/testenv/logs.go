package testenv

import (
	"bytes"
	"sync"

	"go.uber.org/zap/zapcore"
)

const zapDebug = zapcore.DebugLevel

// SyncBuffer is a buffer that may be written to from everywhere.
type SyncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *SyncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *SyncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
