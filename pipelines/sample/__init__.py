"""The bundled sample: a small invented web as a crawl, and Python's standard library as code and as prose.

``web/`` holds the pages as content, one file each; ``templates`` draws them as their sites would; ``crawl`` packs the
answers as WARC; ``library`` copies and quotes the running interpreter's standard library. ``expected.yaml`` says what
shall become of every URL. All texts were written for this sample, and all hosts, people and numbers are invented.
"""
