package cli

import (
	"errors"
	"flag"
	"io"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// debugLevel is the level of logr that is zap's debug.
const debugLevel = 1

// loggingFlags are the flags that set the format of the log. Unless a flag says otherwise no line has a stack trace: a message says what to do
// next, and what a stack trace leads to is for who works on the operator.
func loggingFlags(options *zap.Options) *flag.FlagSet {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	options.BindFlags(flags)
	if err := flags.Set("zap-stacktrace-level", "panic"); err != nil { // a level that the flag knows
		panic(err)
	}
	return flags
}

// newLogger makes the operator's logger, by the flags.
func newLogger(options *zap.Options, to io.Writer) logr.Logger {
	logger := zap.New(zap.UseFlagOptions(options), zap.WriteTo(to))
	return logr.New(quietSink{logger.GetSink()})
}

// quietSink has at the debug level what libraries log about themselves, and what is no error: an event that is refused as its namespace is
// being deleted.
type quietSink struct{ logr.LogSink }

// ofLibraries are lines of controller-runtime about its own parts, which tell nothing of the operator.
var ofLibraries = map[string]bool{
	"Starting EventSource": true, "Starting Controller": true, "Starting workers": true,
	"Shutdown signal received, waiting for all workers to finish": true, "All workers finished": true,
}

// Info implements logr.LogSink.
func (q quietSink) Info(level int, msg string, keysAndValues ...any) {
	if ofLibraries[msg] {
		level = max(level, debugLevel)
	}
	if q.Enabled(level) {
		q.LogSink.Info(level, msg, keysAndValues...)
	}
}

// Error implements logr.LogSink.
func (q quietSink) Error(err error, msg string, keysAndValues ...any) {
	if !namespaceDeleted(err) {
		q.LogSink.Error(err, msg, keysAndValues...)
		return
	}
	if q.Enabled(debugLevel) {
		q.LogSink.Info(debugLevel, msg, append(keysAndValues, "cause", err.Error())...)
	}
}

// WithValues implements logr.LogSink.
func (q quietSink) WithValues(keysAndValues ...any) logr.LogSink {
	return quietSink{q.LogSink.WithValues(keysAndValues...)}
}

// WithName implements logr.LogSink.
func (q quietSink) WithName(name string) logr.LogSink { return quietSink{q.LogSink.WithName(name)} }

// WithCallDepth implements logr.CallDepthLogSink.
func (q quietSink) WithCallDepth(depth int) logr.LogSink {
	if deeper, ok := q.LogSink.(logr.CallDepthLogSink); ok {
		return quietSink{deeper.WithCallDepth(depth)}
	}
	return q
}

// namespaceDeleted says whether the Kubernetes API refused to create something as its namespace is being deleted, or is deleted.
func namespaceDeleted(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	status, answered := errors.AsType[*apierrors.StatusError](err)
	return answered && apierrors.IsNotFound(err) && status.ErrStatus.Details != nil && status.ErrStatus.Details.Kind == "namespaces"
}
