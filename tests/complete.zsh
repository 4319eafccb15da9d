# complete.zsh PROGRAM LINE: types LINE and Tab into an interactive zsh and prints what the line
# then is. The line is read back from a file that a widget of our own writes, not from the screen.
zmodload zsh/zpty
result=$(mktemp -u)
mkfifo $result
path=(${1:h} $path)
zpty shell 'TERM=vt100 zsh -f -i'
zpty -w shell "autoload -U compinit; compinit -u -D; source <(${(q)1} completion zsh)"
zpty -w shell "tell() { print -r -- \"\$BUFFER|\" >$result; BUFFER= }; zle -N tell; bindkey '^T' tell"
zpty -w -n shell $2$'\t\C-t'
read -t 20 -r line <$result
rm -f $result
zpty -d shell
print -r -- ${line%|}
