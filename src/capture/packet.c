#include "capture/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static void packet_done(struct packet *packet)
{
	free(packet->data);
	free(packet->comment);
}

void packet_list_init(struct packet_list *list)
{
	*list = (struct packet_list){0};
}

/* Back to what the list held before. */
static void packet_list_shrink(struct packet_list *list, size_t interfaces, size_t packets)
{
	while (list->count > packets)
		packet_done(&list->packets[--list->count]);
	while (list->interface_count > interfaces)
		free(list->interfaces[--list->interface_count].name);
}

void packet_list_done(struct packet_list *list)
{
	packet_list_shrink(list, 0, 0);
	free(list->packets);
	free(list->interfaces);
	packet_list_init(list);
}

int packet_list_add_interface(struct packet_list *list, const char *name, enum packet_link link)
{
	struct packet_interface *interface;

	if (ARRAY_ROOM(list->interfaces, list->interface_capacity, list->interface_count) < 0)
		return -ENOMEM;
	interface = &list->interfaces[list->interface_count];
	interface->name = strdup(name);
	if (!interface->name)
		return -ENOMEM;
	interface->link = link;
	return (int)list->interface_count++;
}

int packet_list_add(struct packet_list *list, const struct packet *packet)
{
	struct packet copy = *packet;

	if (packet->interface >= list->interface_count)
		return -EINVAL;
	if (ARRAY_ROOM(list->packets, list->capacity, list->count) < 0)
		return -ENOMEM;
	copy.data = malloc(packet->captured_length ? packet->captured_length : 1);
	copy.comment = packet->comment ? strdup(packet->comment) : NULL;
	if (!copy.data || (packet->comment && !copy.comment)) {
		packet_done(&copy);
		return -ENOMEM;
	}
	if (packet->captured_length)
		memcpy(copy.data, packet->data, packet->captured_length);
	list->packets[list->count++] = copy;
	return 0;
}

int packet_list_append(struct packet_list *list, const struct packet_list *from)
{
	size_t interfaces = list->interface_count, packets = list->count;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < from->interface_count; i++)
		r = packet_list_add_interface(list, from->interfaces[i].name,
					      from->interfaces[i].link);
	for (size_t i = 0; r >= 0 && i < from->count; i++) {
		struct packet packet = from->packets[i];

		packet.interface += (uint32_t)interfaces;
		r = packet_list_add(list, &packet);
	}
	if (r < 0)
		packet_list_shrink(list, interfaces, packets);
	return r < 0 ? r : 0;
}
