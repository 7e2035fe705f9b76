package takeover

// SaveOften makes an import save how far it is after so many bytes.
func (o *Options) SaveOften(bytes int64) { o.saveBytes = bytes }
