# SPDX-License-Identifier: Apache-2.0
# needs: tar gzip
# tar and gzip of /usr/share/doc (thousands of files, links, hard links) there and back.
tar -C /usr/share -czf doc.tgz doc; gzip -t doc.tgz && echo tested; mkdir out; tar -C out -xzf doc.tgz
diff -r --no-dereference /usr/share/doc out/doc && echo same; find out -type f | wc -l; find out -type l | wc -l
tar -C out --compare -f <(gunzip -c doc.tgz) && echo compared; rm -r out; ls
