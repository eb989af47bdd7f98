package stack

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// endOnSignals ends the program in good order when it is told to. More than one signal changes nothing: stopping is bounded.
func endOnSignals(end context.CancelCauseFunc) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		<-told
		end(ErrInterrupted)
	}()
	// Without this, writing to a closed pipe (make run | head) would kill the program, and leave its children behind.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// endWithParent ends the program when the process that started it is gone: go run passes no SIGTERM on.
func endWithParent(end context.CancelCauseFunc) {
	parent := os.Getppid()
	go func() {
		for range time.Tick(time.Second) {
			if os.Getppid() != parent {
				end(ErrInterrupted)
				return
			}
		}
	}()
}

// output ends the program when nobody reads it any more.
type output struct {
	to  io.Writer
	end context.CancelCauseFunc
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.end(ErrInterrupted)
	}
	return n, err
}

// lock makes sure that one program at a time uses the directory. The lock goes with the process.
func (s *Stack) lock() (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(s.Path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another %s is running in this checkout (%s is locked)", s.Name, file.Name())
	}
	return func() { _ = file.Close() }, nil
}
