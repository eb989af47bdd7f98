package argocd

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
)

// Argo CD gives the scripts no more than this; what needs more fails here, too.
func TestRunLua(t *testing.T) {
	for script, works := range map[string]bool{
		`return {a = require("os").time() > 0}`: true,
		`table.insert(obj.list, 1); return obj`: true,
		`return {string.format("%s", "a")}`:     false,
		`return {math.max(1, 2)}`:               false,
		`return {os.time()}`:                    false,
		`return {require("os").getenv("HOME")}`: false,
	} {
		if _, err := runLua(script, map[string]any{"list": []any{}}); (err == nil) != works {
			t.Errorf("%s: %v", script, err)
		}
	}
	// An action leaves alone what it does not touch.
	object := map[string]any{"whole": int64(7), "half": 1.5, "on": true, "none": map[string]any{}, "list": []any{map[string]any{"none": map[string]any{}}}}
	if got, err := runLua(`return obj`, object); err != nil || !equality.Semantic.DeepEqual(got, any(object)) {
		t.Errorf("%v, want %v (%v)", got, object, err)
	}
}
