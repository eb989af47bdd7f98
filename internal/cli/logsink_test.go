package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	uberzap "go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// logged is what a logger of the operator's writes at a level.
func loggedAt(t *testing.T, level zapcore.Level, write func(logr.Logger)) (lines []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	write(newLogger(&zap.Options{Level: level}, &out))
	for text := range strings.Lines(out.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		lines = append(lines, line)
	}
	return lines
}

func terminating() error {
	err := apierrors.NewForbidden(corev1.Resource("events"), "acme", errors.New("unable to create new content in namespace a because it is being terminated"))
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	return err
}

// What is no error, and what libraries say of themselves, is seen at the debug level alone, and without a stack.
func TestLoggerIsQuiet(t *testing.T) {
	for name, write := range map[string]func(logr.Logger){
		"event sources": func(l logr.Logger) { l.Info("Starting EventSource", "source", "kind source") },
		"workers": func(l logr.Logger) {
			l.WithName("a").WithValues("b", "c").Info("Starting workers", "worker count", 512)
		},
		"an event, namespace is deleted": func(l logr.Logger) { l.Error(terminating(), "Server rejected event (will not retry!)") },
		"an event, namespace is gone": func(l logr.Logger) {
			l.WithValues("a", "b").Error(apierrors.NewNotFound(corev1.Resource("namespaces"), "a"), "Server rejected event (will not retry!)")
		},
	} {
		t.Run(name, func(t *testing.T) {
			if lines := loggedAt(t, zapcore.InfoLevel, write); len(lines) > 0 {
				t.Errorf("at info: %v", lines)
			}
			lines := loggedAt(t, zapcore.DebugLevel, write)
			if len(lines) != 1 || lines[0]["level"] != "debug" || lines[0]["stacktrace"] != nil {
				t.Errorf("at debug: %v", lines)
			}
		})
	}
}

func TestLoggerHasTheRest(t *testing.T) {
	for name, c := range map[string]struct {
		write func(logr.Logger)
		level string
	}{
		"a line":   {func(l logr.Logger) { l.WithName("n").Info("account written", "why", "drift") }, "info"},
		"an error": {func(l logr.Logger) { l.Error(errors.New("no"), "account written", "why", "drift") }, "error"},
		"an event that is refused": {func(l logr.Logger) {
			l.Error(apierrors.NewForbidden(corev1.Resource("events"), "a", errors.New("no")), "account written", "why", "drift")
		}, "error"},
		"an object that is missing": {func(l logr.Logger) {
			l.Error(apierrors.NewNotFound(corev1.Resource("secrets"), "a"), "account written", "why", "drift")
		}, "error"},
		"no error at all": {func(l logr.Logger) { l.Error(nil, "account written", "why", "drift") }, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := loggedAt(t, zapcore.InfoLevel, c.write)
			if len(lines) != 1 || lines[0]["level"] != c.level || lines[0]["msg"] != "account written" || lines[0]["why"] != "drift" {
				t.Errorf("%v", lines)
			}
		})
	}
}

// Where callers are logged, that is whoever logs.
func TestLoggerTellsTheCaller(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(&zap.Options{ZapOpts: []uberzap.Option{uberzap.AddCaller()}}, &out)
	l.Info("one")
	l.WithName("n").WithValues("a", "b").Info("two")
	l.WithCallDepth(0).Error(errors.New("no"), "three")
	if n := strings.Count(out.String(), `"caller":"cli/logsink_test.go:`); n != 3 {
		t.Errorf("%d lines tell who logs:\n%s", n, out.String())
	}
}

// An error has no stack trace before its advice, unless somebody wants one.
func TestErrorsHaveNoStackTrace(t *testing.T) {
	for level, want := range map[string]bool{"": false, "error": true} {
		var options zap.Options
		flags := loggingFlags(&options)
		if level != "" {
			if err := flags.Set("zap-stacktrace-level", level); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		newLogger(&options, &out).Error(errors.New("no"), "resources can't be read")
		if got := strings.Contains(out.String(), "stacktrace"); got != want || !strings.Contains(out.String(), "resources can't be read") {
			t.Errorf("--zap-stacktrace-level=%s: %s", level, &out)
		}
	}
}
