# SPDX-License-Identifier: Apache-2.0
# needs: tmux vim top /usr/bin/python3 less
# packages: tmux vim procps python3-minimal less
# ci
# Programs of a terminal, inside tmux: windows and panes, vim edits a file, top and less draw and quit, Ctrl-C and Ctrl-Z, the size changes.
export HOME=$PWD TERM=screen LANG=C.UTF-8 SHELL=/bin/bash; unset TMUX
printf 'PS1="$ "\n' > .bashrc; touch .vimrc
t() { tmux -S "$PWD/s" -f /dev/null "$@"; }
# see TEXT: waits until the pane shows it.
see() { for i in $(seq 150); do t capture-pane -p -t w | grep -qF -- "$1" && { echo "saw $1"; return; }; sleep 0.1; done; echo "never saw $1"; t capture-pane -p -t w | head -20; }
t new-session -d -s w -x 100 -y 30 'bash --noprofile'; echo "tmux $?"
t send-keys -t w 'stty size; echo $((6*7))' Enter; see 42; see '30 100'
t send-keys -t w 'vim -u NONE -N file' Enter; see '[New]'
t send-keys -t w i 'first line' Enter 'second' Escape yyp ':%s/second/third/' Enter ':wq' Enter; for i in $(seq 50); do [ -s file ] && break; sleep 0.1; done; cat file
t send-keys -t w 'clear; top -n 2 -d 0.3 -b | grep -c "^%Cpu"' Enter; see 2
t send-keys -t w 'clear; top' Enter; see 'PID USER'; t send-keys -t w q
t send-keys -t w 'clear; seq 500 | less' Enter; see 28; t send-keys -t w G; see 500; t send-keys -t w q
t send-keys -t w 'clear; sleep 100; echo after $?' Enter; sleep 0.5; t send-keys -t w C-c; see '^C'
t send-keys -t w 'clear; sleep 100' Enter; sleep 0.5; t send-keys -t w C-z; see Stopped; t send-keys -t w 'clear; bg; jobs; kill %1; wait; echo gone' Enter; see gone
t split-window -t w -h 'cat'; t list-panes -t w | wc -l; t send-keys -t w 'echoed' Enter; see echoed; t kill-pane -t w
t resize-window -t w -x 80 -y 20; t send-keys -t w 'clear; until [ "$(stty size)" = "20 80" ]; do sleep 0.1; done; echo re""sized' Enter; see resized
t send-keys -t w 'exit' Enter; for i in $(seq 50); do t ls >/dev/null 2>&1 || break; sleep 0.1; done; t ls 2>&1 | grep -c 'no server\|error connecting'
