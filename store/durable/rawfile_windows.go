package durable

import "os"

// rawFile is a file that is only read.
type rawFile struct{ *os.File }

func openRaw(path string) (rawFile, error) {
	f, err := Open(path)
	return rawFile{f}, err
}

func (f rawFile) stat() (rawInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return rawInfo{}, err
	}
	return rawInfo{regular: info.Mode().IsRegular(), perm: info.Mode().Perm(), size: info.Size()}, nil
}

func (f rawFile) close() { _ = f.Close() }
