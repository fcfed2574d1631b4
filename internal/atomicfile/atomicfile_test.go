package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Whatever fails, the old file stays as it is and no other is left beside it.
func TestReplaceIsWholeOrNot(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		write func(*os.File) error
		want  error // nil: the file is replaced
	}{
		"written": {func(f *os.File) error { _, err := f.WriteString("new"); return err }, nil},
		"broken in the middle": {func(f *os.File) error {
			_, err := f.WriteString("ne")
			return errors.Join(err, broken)
		}, broken},
		"not closed": {(*os.File).Close, os.ErrClosed}, // what Replace's own Close then finds
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := WriteFile(path, []byte("old")); err != nil {
				t.Fatal(err)
			}
			want := "new"
			if test.want != nil {
				want = "old"
			}
			if err := Replace(path, test.write); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("the file has %q, %v; want %q", got, err, want)
			}
			alone(t, path)
		})
	}
}

func TestReplaceOfAFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder")
	if err := os.MkdirAll(filepath.Join(path, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new")); err == nil {
		t.Error("a folder was replaced")
	}
	alone(t, path)
	var missing *fs.PathError
	if err := WriteFile(filepath.Join(path, "missing", "file"), nil); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &missing) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

// alone fails unless path is all that its folder has.
func alone(t *testing.T, path string) {
	t.Helper()
	found, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(found) != 1 || found[0].Name() != filepath.Base(path) {
		t.Errorf("the folder has %v, %v", found, err)
	}
}
