package confined

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// errNoProgram is a command without one.
var errNoProgram = errors.New("there is no program to run")

// resolved is a command that depends on nothing of this process any more.
type resolved struct {
	Path string // of the program's file
	Argv []string
	Dir  string // "": a fresh one
	Env  []string
}

// resolve finds the program and the files that its arguments name.
func (c *Command) resolve() (r resolved, err error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return r, errNoProgram
	}
	if r.Path, err = exec.LookPath(c.Argv[0]); err != nil && !errors.Is(err, exec.ErrDot) {
		return r, fmt.Errorf("%w; name its file, or install it", err)
	}
	if r.Path, err = filepath.Abs(r.Path); err != nil {
		return r, err
	}
	if c.Dir != "" {
		if r.Dir, err = filepath.Abs(c.Dir); err != nil {
			return r, err
		}
		if info, err := os.Stat(r.Dir); err != nil || !info.IsDir() {
			return r, fmt.Errorf("its working directory %s is no folder", c.Dir)
		}
	}
	r.Argv = append(r.Argv, c.Argv[0])
	if filepath.Base(c.Argv[0]) != c.Argv[0] {
		r.Argv[0] = r.Path // relative to a folder that it leaves
	}
	for _, arg := range c.Argv[1:] {
		flag, name := "", arg
		if strings.HasPrefix(arg, "-") {
			var valued bool
			if flag, name, valued = strings.Cut(arg, "="); valued {
				flag += "="
			}
		}
		r.Argv = append(r.Argv, flag+here(name, r.Dir))
	}
	r.Env, err = c.environment()
	return r, err
}

// here is a name made absolute if it is that of a file of our working directory and of none in dir.
func here(name, dir string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	info, err := os.Stat(name)
	if err != nil {
		return name
	}
	if info.IsDir() && !strings.ContainsAny(name, `/\`) && name != "." && name != ".." {
		return name // more likely a word that a folder happens to be called
	}
	if dir != "" {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return name
		}
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	return abs
}

// systemVariables are those without which programs of a system do not start.
var systemVariables = map[string][]string{"windows": {"SystemRoot", "ComSpec", "PATHEXT", "SystemDrive"}}

// environment is what the program gets of ours. A folder that the caller names, such as HOME, is not a fresh one.
func (c *Command) environment() (env []string, err error) {
	lang := os.Getenv("LANG")
	if lang == "" {
		lang = "C.UTF-8"
	}
	env = append(env, "PATH="+os.Getenv("PATH"), "LANG="+lang)
	for _, name := range systemVariables[runtime.GOOS] {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for _, name := range c.Env {
		v, ok := os.LookupEnv(name)
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			return nil, fmt.Errorf("%q is not the name of an environment variable; give the name alone, and its value in the environment", name)
		case !ok:
			return nil, fmt.Errorf("the environment variable %s, which the program is to get, is not set", name)
		}
		env = append(env, name+"="+v)
	}
	return env, nil
}

// homes are the variables that point to fresh folders where the caller names none.
var homes = map[string]string{"HOME": "home", "USERPROFILE": "home", "TMPDIR": "tmp", "TMP": "tmp", "TEMP": "tmp"}

// settle makes the fresh folders of a program below base and returns its working directory and environment.
func settle(r resolved, base string) (dir string, env []string, err error) {
	have := map[string]bool{}
	for _, v := range r.Env {
		name, _, _ := strings.Cut(v, "=")
		have[name] = true
	}
	dir, env = r.Dir, r.Env
	if dir == "" {
		dir = filepath.Join(base, "work")
	}
	for _, folder := range []string{"work", "home", "tmp"} {
		if err := os.MkdirAll(filepath.Join(base, folder), 0o700); err != nil {
			return "", nil, err
		}
	}
	for name, folder := range homes {
		if !have[name] && (runtime.GOOS == "windows" || name == "HOME" || name == "TMPDIR") {
			env = append(env, name+"="+filepath.Join(base, folder))
		}
	}
	return dir, env, nil
}

// sweep removes a folder of ours, one with read-only folders too. What cannot be removed stays.
func sweep(base string) {
	if os.RemoveAll(base) == nil {
		return
	}
	_ = filepath.WalkDir(base, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(base)
}
