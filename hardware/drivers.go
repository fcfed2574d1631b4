package hardware

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

func (l *linux) drivers() Drivers {
	d := Drivers{NVIDIA: l.nvidiaVersion()}
	finder := l.newLibraryFinder()
	libs := librariesOf("linux")
	for _, name := range append([]string{libs.vulkan, libs.egl, libs.cuda}, libs.runtime...) {
		if file := finder.find(name); file != "" {
			d.Libraries = append(d.Libraries, Library{name, file})
		}
	}
	d.Vulkan = l.icds(finder)
	return d
}

// unsearchedICDs are folders in which manifests were seen that Vulkan's loader does not
// look into by itself: where container runtimes put NVIDIA's driver.
var unsearchedICDs = []string{"/usr/local/nvidia/share/vulkan/icd.d"}

// icds reads the manifests of Vulkan's drivers, where the loader does ("Loader
// Interface to Drivers" in the loader's documentation), and some where it does not.
func (l *linux) icds(finder *libraryFinder) (list []ICD) {
	files, only := l.namedManifests()
	if !only {
		for _, dir := range l.manifestDirs() {
			files = append(files, l.manifests(dir)...)
		}
	}
	searched := len(files)
	for _, dir := range unsearchedICDs {
		for _, file := range l.manifests(dir) {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	for i, file := range files {
		if icd, ok := l.icd(file, finder); ok {
			icd.Searched = i < searched
			list = append(list, icd)
		}
	}
	return list
}

// namedManifests are those that the environment names: then the loader looks at no
// others.
func (l *linux) namedManifests() (files []string, only bool) {
	for _, name := range []string{"VK_DRIVER_FILES", "VK_ICD_FILENAMES"} {
		value := l.getenv(name)
		if value == "" {
			continue
		}
		for file := range strings.SplitSeq(value, ":") {
			if strings.HasSuffix(file, ".json") {
				files = append(files, file)
			} else {
				files = append(files, l.manifests(file)...)
			}
		}
		return files, true
	}
	return nil, false
}

func (l *linux) manifestDirs() (dirs []string) {
	or := func(name, otherwise string) string {
		if v := l.getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	home := l.getenv("HOME")
	lists := []string{
		or("XDG_CONFIG_HOME", path.Join(home, ".config")), or("XDG_CONFIG_DIRS", "/etc/xdg"), "/etc",
		or("XDG_DATA_HOME", path.Join(home, ".local/share")), or("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
	}
	for _, list := range lists {
		for dir := range strings.SplitSeq(list, ":") {
			if dir = path.Join(dir, "vulkan/icd.d"); path.IsAbs(dir) && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

func (l *linux) manifests(dir string) (files []string) {
	for _, name := range l.list(dir) {
		if strings.HasSuffix(name, ".json") {
			files = append(files, path.Join(dir, name))
		}
	}
	return files
}

// icd reads a manifest. It reports false for what is none, or of 32 bits.
func (l *linux) icd(file string, finder *libraryFinder) (ICD, bool) {
	var m struct {
		ICD struct {
			Library string `json:"library_path"`
			Bits    string `json:"library_arch"`
		} `json:"ICD"`
	}
	if json.Unmarshal([]byte(l.read(file)), &m) != nil || m.ICD.Library == "" || m.ICD.Bits == "32" {
		return ICD{}, false
	}
	icd := ICD{Manifest: file, Library: m.ICD.Library, Vendor: icdVendor(m.ICD.Library)}
	switch {
	case path.IsAbs(icd.Library):
		icd.Found = l.exists(icd.Library)
	case strings.Contains(icd.Library, "/"):
		icd.Found = l.exists(path.Join(path.Dir(file), icd.Library))
	default:
		icd.Found = finder.find(icd.Library) != ""
	}
	return icd, true
}

// icdVendors are whose GPUs a driver is for, by the beginning of its library's name.
var icdVendors = []struct {
	prefix string
	vendor Vendor
}{
	{"libGLX_nvidia", NVIDIA}, {"libEGL_nvidia", NVIDIA}, {"libvulkan_nouveau", NVIDIA},
	{"libvulkan_radeon", AMD}, {"amdvlk", AMD},
	{"libvulkan_intel", Intel},
	{"libvulkan_asahi", Apple}, {"libvulkan_freedreno", Qualcomm}, {"libvulkan_panfrost", Arm},
}

func icdVendor(library string) Vendor {
	name := path.Base(library)
	for _, v := range icdVendors {
		if strings.HasPrefix(name, v.prefix) {
			return v.vendor
		}
	}
	return ""
}
