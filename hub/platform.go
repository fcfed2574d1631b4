package hub

// A platform says where prebuilt llama.cpp libraries for one GOOS/GOARCH come
// from. Releases v0.4.0 and v0.5.0 have the same layouts for all that package
// llama binds, so a platform whose package stops at v0.4.0 is served by it.
type platform struct {
	npm      *npmPackage
	archive  *releaseArchive
	backends map[string]*npmPackage // of GPUs, by ggml's names, for the core of npm
}

// An npmPackage is a published package with prebuilt libraries.
type npmPackage struct {
	name, version string
	release       string // llama.cpp's
	sha256        string // of the package file
	size          int64  // of the package file, bytes
	content       int64  // bytes of its files, as the registry states
}

// A releaseArchive is a file of llama.cpp's own releases. A numbered release
// such as v0.5.0 has no files itself, it names the build tag that has them.
type releaseArchive struct {
	tag, name string
	release   string
	sha256    string
	size      int64
}

// platforms is keyed by GOOS/GOARCH. CPU only, Metal on macOS arm64. A backend comes from
// a package that has the same core again, built from the same source. The
// digests of the packages were computed from the packages, those of the
// archives are the ones the release page states.
var platforms = map[string]platform{
	"linux/amd64": {
		npm: &npmPackage{"@node-llama-cpp/linux-x64", "3.22.1", "v0.5.0",
			"0d953e1503d5ab4608d8ed5b739132308c81ac05ffeb760d2a7f30e08a9f90e0", 10824547, 30358713},
		archive: &releaseArchive{"b11146", "llama-b11146-bin-ubuntu-x64.tar.gz", "v0.5.0",
			"c150306eb16b5ab696f76a8bdf810c35fd98a24e82158742e6fa28f420ff8410", 16998357},
		backends: map[string]*npmPackage{
			"vulkan": {"@node-llama-cpp/linux-x64-vulkan", "3.22.1", "v0.5.0",
				"e10577190fc4bd1649d3b655588e5c7a85fc6b6dbf7136fee596cbe9e25521e7", 24311427, 73750139},
			"cuda": {"@node-llama-cpp/linux-x64-cuda", "3.22.1", "v0.5.0",
				"d6cd3ff39a43b024816952e0bc6452d6711608d26256ff6eb0fe8cf7ff55bb2c", 142898030, 189352027},
		},
	},
	"linux/arm64": {
		npm: &npmPackage{"@node-llama-cpp/linux-arm64", "3.22.1", "v0.5.0",
			"39c76b998e35ed2f236c01472fc79eda0fc558b1c8b535023c2d7ded8c327cc4", 7340902, 19984550},
		archive: &releaseArchive{"b11146", "llama-b11146-bin-ubuntu-arm64.tar.gz", "v0.5.0",
			"4aeda6fe68831547e49b7fa87607383ca5352b3d72ca5f70d52ed265f58c131f", 13598346},
	},
	"darwin/arm64": {
		npm: &npmPackage{"@node-llama-cpp/mac-arm64-metal", "3.21.1", "v0.4.0",
			"cd11a52fab1935fde5abd221b5ecf8167686b45e386b6a02df49cb9b2814e9d6", 4858447, 14666204},
		archive: &releaseArchive{"b11146", "llama-b11146-bin-macos-arm64.tar.gz", "v0.5.0",
			"1ad3f9eff80edb9dbef4259ad564d1720612ef7eea48fa4afed0e54f5f3d5711", 11189714},
	},
	"darwin/amd64": {
		archive: &releaseArchive{"b11146", "llama-b11146-bin-macos-x64.tar.gz", "v0.5.0",
			"305f0e3a17d2c01eb205cd0a62128357f1ec3b55329cb084d94e5ec0115d7a3b", 11237237},
	},
	"windows/amd64": {
		npm: &npmPackage{"@node-llama-cpp/win-x64", "3.21.1", "v0.4.0",
			"9e48b1bf39e41c8b955a20006a3bdfd4861bedbb2661c87f7e29a5207f1ff0e8", 9787045, 48620398},
		archive: &releaseArchive{"b11146", "llama-b11146-bin-win-cpu-x64.zip", "v0.5.0",
			"14cf1303ca9ac3abd94816850532f9f9a69ac66fbaca3776fc6f9061c2fac1d1", 18560055},
	},
	"windows/arm64": {
		archive: &releaseArchive{"b11146", "llama-b11146-bin-win-cpu-arm64.zip", "v0.5.0",
			"1727d241f3bf6d27360e984e851cf013928fd655bf89f8628e70da027f377b7d", 12034624},
	},
}
