package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// state is the state file: everything but settings, faults and the log, secrets in the clear.
type state struct {
	NextID   int64              `json:"nextID"`
	Accounts []stateAccount     `json:"accounts"`
	Keys     []*serviceKey      `json:"keys"`
	Plans    []statePlan        `json:"plans,omitempty"`
	Parts    map[int64]Parts    `json:"parts,omitempty"`
	Created  map[int64]dayCount `json:"created"`
	TwoSMS   *twoSMSState       `json:"twoSMS,omitempty"`
}

// stateAccount is an Account whose fields are written as they are.
type stateAccount struct {
	ID       int64          `json:"id"`
	ParentID int64          `json:"parentID,omitempty"`
	Fields   map[string]any `json:"fields"`
}

// save writes the state file, if there is one. The caller holds the lock: the file never goes back in time.
func (s *Simulator) save() {
	if s.stateFile == "" {
		return
	}
	if err := s.writeState(); err != nil {
		s.logger.Error("cannot write the state file", "file", s.stateFile, "error", err)
	}
}

func (s *Simulator) writeState() error {
	file := state{NextID: s.nextID, Created: s.created, Plans: s.plans.saved(), Parts: s.parts, TwoSMS: savedTwoSMS(s.TwoSMS)}
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		a := s.accounts[id]
		file.Accounts = append(file.Accounts, stateAccount{a.ID, a.ParentID, a.Fields})
	}
	for _, id := range sortedKeys(s.keys) {
		file.Keys = append(file.Keys, s.keys[id])
	}
	data, err := json.Marshal(file)
	if err != nil {
		return err
	}
	return writeAtomically(s.stateFile, data)
}

// writeAtomically leaves the old file or the new one, never half of it; readable by its owner only.
func writeAtomically(path string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

func (s *Simulator) load() error {
	data, err := os.ReadFile(s.stateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var file state
	if err := json.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("state file %s: %w", s.stateFile, err)
	}
	return s.restore(file)
}

func (s *Simulator) restore(file state) error {
	for _, saved := range file.Accounts {
		a := &Account{ID: saved.ID, ParentID: saved.ParentID, Fields: Fields{}}
		for name, value := range saved.Fields {
			typed, err := coerce(name, value)
			if err != nil {
				return fmt.Errorf("state file %s, account %d: %w", s.stateFile, saved.ID, err)
			}
			a.Fields[name] = typed
		}
		s.index(a)
	}
	for parent := range s.children {
		if s.accounts[parent] == nil {
			return fmt.Errorf("state file %s: children without their parent %d", s.stateFile, parent)
		}
	}
	for _, key := range file.Keys {
		private, err := decodeKey(key.PEM)
		if err != nil {
			return fmt.Errorf("state file %s, key %s: %w", s.stateFile, key.ID, err)
		}
		key.private = private
		s.keys[key.ID] = key
	}
	s.nextID = max(s.nextID, file.NextID)
	maps.Copy(s.created, file.Created)
	s.plans.restore(file.Plans)
	maps.Copy(s.parts, file.Parts)
	restoreTwoSMS(s.TwoSMS, file.TwoSMS)
	return nil
}
